import { test } from 'tap'
import { SessionTokens, tokensOf, type Tokens } from '../../../src/login/session-tokens.js'

const OLD = 'first secret of a test and nothing else'
const NEW = 'other secret of a test and nothing else'
const tokens = new SessionTokens([OLD])
/** On the database's clock. */
const SINCE = 1_790_000_000_000
const after = (ms: number) => ({ nowMs: SINCE + ms, createdMs: SINCE })
const AT_ONCE = after(0)
const issued = (seconds = 3600): Tokens => ({
  idToken: 'id',
  refreshToken: 'refresh',
  accessToken: { token: 'access', endsAtMs: performance.now() + seconds * 1000 }
})

test('The tokens of a session decrypt only for its id', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  t.equal(tokens.refreshToken(kept, 'session-1'), 'refresh')
  t.match(tokens.accessToken(kept, 'session-1', AT_ONCE), { token: 'access', isDue: false })
  t.equal(tokens.refreshToken(kept, 'session-2'), undefined)
  t.equal(tokens.accessToken(kept, 'session-2', AT_ONCE), undefined)
  t.end()
})

test('Refresh and access tokens are not interchangeable', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  const { refreshToken = '', accessToken } = kept
  t.equal(tokens.refreshToken({ refreshToken: accessToken?.sealed ?? '' }, 'session-1'), undefined)
  t.equal(
    tokens.accessToken({ accessToken: { sealed: refreshToken, lifetimeMs: 1000, since: SINCE } }, 'session-1', AT_ONCE),
    undefined
  )
  t.end()
})

test('The ID token and missing tokens are not stored', (t) => {
  t.same(Object.keys(tokens.encrypt(issued(), 'session-1')).sort(), ['accessToken', 'refreshToken'])
  t.same(tokens.encrypt({ idToken: 'id' }, 'session-1'), {})
  t.equal(tokens.refreshToken({}, 'session-1'), undefined)
  t.equal(tokens.accessToken({}, 'session-1', AT_ONCE), undefined)
  t.end()
})

for (const [lifetime, at, expected] of [
  [3600, 0, 'held'], [3600, 3539, 'held'], [3600, 3541, 'due'], [3600, 3599, 'due'], [3600, 3601, 'ended'],
  [100, 49, 'held'], [100, 51, 'due'], [100, 99, 'due'], [100, 101, 'ended'], [10, 4, 'held'], [10, 6, 'due']
] as const) {
  test(`An access token of ${lifetime} s is ${expected} after ${at} s`, (t) => {
    const kept = tokens.encrypt(issued(lifetime), 'session-1', SINCE)
    const found = tokens.accessToken(kept, 'session-1', after(at * 1000))
    const valid = found?.isDue === true ? 'due' : 'held'
    t.equal(found === undefined ? 'ended' : valid, expected)
    t.end()
  })
}

test('The first access token is timed from when the session was created', (t) => {
  const kept = tokens.encrypt(issued(100), 'session-1')
  t.notOk('since' in (kept.accessToken ?? {}))
  t.match(tokens.accessToken(kept, 'session-1', after(10_000)), { isDue: false })
  t.equal(tokens.accessToken(kept, 'session-1', after(101_000)), undefined)
  t.end()
})

test('Tokens of an older secret are re-encrypted once', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  const both = new SessionTokens([NEW, OLD])
  const moved = both.reencrypt(kept, 'session-1')

  t.same(Object.keys(moved ?? {}).sort(), ['accessToken', 'refreshToken'])
  t.equal(both.reencrypt({ ...kept, ...moved }, 'session-1'), undefined)
  const alone = new SessionTokens([NEW])
  t.equal(alone.refreshToken(moved ?? {}, 'session-1'), 'refresh')
  t.match(alone.accessToken(moved ?? {}, 'session-1', AT_ONCE), { token: 'access' })
  t.match(moved?.accessToken, { since: SINCE, lifetimeMs: kept.accessToken?.lifetimeMs })
  t.end()
})

test('Tokens that cannot be decrypted are left unchanged', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  t.equal(new SessionTokens([NEW]).reencrypt(kept, 'session-1'), undefined)
  t.equal(new SessionTokens([NEW, OLD]).reencrypt(kept, 'session-2'), undefined)
  t.end()
})

test('Only well-formed tokens are read from a row', (t) => {
  const accessToken = { sealed: 'x', lifetimeMs: 1 }
  const whole = { refreshToken: 'x', accessToken }
  t.same(tokensOf({ ...whole, cookie: {}, user: { sub: 'x' } }), whole)
  t.same(tokensOf({ accessToken: { ...accessToken, since: 1 } }), { accessToken: { ...accessToken, since: 1 } })
  for (const other of [undefined, null, 1, {}, []]) {
    t.same(tokensOf({ refreshToken: other, accessToken: other }), {})
    t.same(tokensOf({ accessToken: { ...accessToken, sealed: other } }), {})
  }
  t.same(tokensOf({ accessToken: { ...accessToken, since: '1' } }), {})
  t.end()
})
