import { test } from 'tap'
import { SessionTokens, tokensOf, type Tokens } from '../../../src/login/session-tokens.js'

const OLD = 'first secret of a test and nothing else'
const NEW = 'other secret of a test and nothing else'
const tokens = new SessionTokens([OLD])
/** On the database's clock. */
const SINCE = 1_790_000_000_000
const issued = (seconds = 3600): Tokens => ({
  idToken: 'id',
  refreshToken: 'refresh',
  accessToken: { token: 'access', endsAtMs: performance.now() + seconds * 1000 }
})

test('What a session keeps opens for its id, each in its place', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  t.equal(tokens.refreshToken(kept, 'session-1'), 'refresh')
  t.match(tokens.accessToken(kept, 'session-1', SINCE), { token: 'access', isDue: false })
  t.equal(tokens.refreshToken(kept, 'session-2'), undefined)
  t.equal(tokens.accessToken(kept, 'session-2', SINCE), undefined)
  t.end()
})

test('A refresh token does not pass for an access token, nor the other way round', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  const { refreshToken = '', accessToken } = kept
  t.equal(tokens.refreshToken({ refreshToken: accessToken?.sealed ?? '' }, 'session-1'), undefined)
  t.equal(
    tokens.accessToken({ accessToken: { sealed: refreshToken, lifetimeMs: 1000, since: SINCE } }, 'session-1', SINCE),
    undefined
  )
  t.end()
})

test('The ID token is not kept, and what was not issued is not there', (t) => {
  t.same(Object.keys(tokens.encrypt(issued(), 'session-1')).sort(), ['accessToken', 'refreshToken'])
  t.same(tokens.encrypt({ idToken: 'id' }, 'session-1'), {})
  t.equal(tokens.refreshToken({}, 'session-1'), undefined)
  t.equal(tokens.accessToken({}, 'session-1', SINCE), undefined)
  t.end()
})

for (const [lifetime, at, expected] of [
  [3600, 0, 'held'], [3600, 3539, 'held'], [3600, 3541, 'due'], [3600, 3599, 'due'], [3600, 3601, 'ended'],
  [100, 49, 'held'], [100, 51, 'due'], [100, 99, 'due'], [100, 101, 'ended'], [10, 4, 'held'], [10, 6, 'due']
] as const) {
  test(`An access token of ${lifetime} s is ${expected} after ${at} s`, (t) => {
    const kept = tokens.encrypt(issued(lifetime), 'session-1', SINCE)
    const found = tokens.accessToken(kept, 'session-1', SINCE + at * 1000)
    t.equal(found === undefined ? 'ended' : found.isDue ? 'due' : 'held', expected)
    t.end()
  })
}

test('Of a session that has just begun, the token\'s time begins with the session\'s', (t) => {
  const kept = { ...tokens.encrypt(issued(100), 'session-1'), createdAt: SINCE }
  t.notOk('since' in (kept.accessToken ?? {}))
  t.match(tokens.accessToken(kept, 'session-1', SINCE + 10_000), { isDue: false })
  t.equal(tokens.accessToken(kept, 'session-1', SINCE + 101_000), undefined)
  t.end()
})

test('What another secret sealed is sealed anew with the first one, once', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  const both = new SessionTokens([NEW, OLD])
  const moved = both.reencrypt(kept, 'session-1')

  t.same(Object.keys(moved ?? {}).sort(), ['accessToken', 'refreshToken'])
  t.equal(both.reencrypt({ ...kept, ...moved }, 'session-1'), undefined)
  const alone = new SessionTokens([NEW])
  t.equal(alone.refreshToken(moved ?? {}, 'session-1'), 'refresh')
  t.match(alone.accessToken(moved ?? {}, 'session-1', SINCE), { token: 'access' })
  t.match(moved?.accessToken, { since: SINCE, lifetimeMs: kept.accessToken?.lifetimeMs })
  t.end()
})

test('What cannot be opened is left as it is', (t) => {
  const kept = tokens.encrypt(issued(), 'session-1', SINCE)
  t.equal(new SessionTokens([NEW]).reencrypt(kept, 'session-1'), undefined)
  t.equal(new SessionTokens([NEW, OLD]).reencrypt(kept, 'session-2'), undefined)
  t.end()
})

test('Of a session from a row, only well-formed tokens are taken', (t) => {
  const accessToken = { sealed: 'x', lifetimeMs: 1 }
  const whole = { refreshToken: 'x', accessToken, createdAt: 1 }
  t.same(tokensOf({ ...whole, cookie: {}, user: { sub: 'x' } }), whole)
  t.same(tokensOf({ accessToken: { ...accessToken, since: 1 } }), { accessToken: { ...accessToken, since: 1 } })
  for (const other of [undefined, null, 1, {}, []]) {
    t.same(tokensOf({ refreshToken: other, accessToken: other, createdAt: other === 1 ? '1' : other }), {})
    t.same(tokensOf({ accessToken: { ...accessToken, sealed: other } }), {})
  }
  t.same(tokensOf({ accessToken: { ...accessToken, since: '1' } }), {})
  t.end()
})
