import { test } from 'tap'
import { browser, reachCallback, signIn } from '../../../support/browser.js'
import type { Claims, Fault } from '../../../support/cognito.js'
import { server, sharedServer } from '../../../support/server.js'

/** What Cognito does wrong, and what the browser gets. */
const FAULTS: [name: string, fault: Fault, status: number, code: string][] = [
  ['answers invalid_grant', { token: 'invalid_grant' }, 401, 'ERR_LOGIN_REFUSED'],
  ['refuses our credentials', { token: 'invalid_client' }, 502, 'ERR_COGNITO_ANSWER'],
  ['answers 404', { token: 404 }, 502, 'ERR_COGNITO_ANSWER'],
  ['throttles', { token: 429 }, 502, 'ERR_COGNITO_ANSWER'],
  ['answers 500', { token: 500 }, 502, 'ERR_COGNITO_ANSWER'],
  ['answers 503', { token: 503 }, 502, 'ERR_COGNITO_ANSWER'],
  ['answers HTML', { token: 'html' }, 502, 'ERR_COGNITO_ANSWER'],
  ['answers garbage', { token: 'garbage' }, 502, 'ERR_COGNITO_ANSWER'],
  ['answers nothing', { token: 'empty' }, 502, 'ERR_COGNITO_ANSWER'],
  ['answers without end', { token: 'endless' }, 502, 'ERR_COGNITO_ANSWER'],
  ['hangs', { token: 'hang' }, 504, 'ERR_COGNITO_TIMEOUT'],
  ['stalls', { token: 'stall' }, 504, 'ERR_COGNITO_TIMEOUT'],
  ['cuts the connection', { token: 'reset' }, 504, 'ERR_COGNITO_TIMEOUT'],
  ['sends no ID token', { idToken: 'missing' }, 502, 'ERR_COGNITO_ANSWER'],
  ['sends an unsigned ID token', { idToken: 'unsigned' }, 401, 'ERR_ID_TOKEN'],
  ['sends an ID token signed by another key', { idToken: 'foreign-key' }, 401, 'ERR_ID_TOKEN'],
  ['sends an ID token for another client', { idToken: altered({ aud: 'another' }) }, 401, 'ERR_ID_TOKEN'],
  ['sends an ID token of another issuer', { idToken: altered({ iss: 'https://evil.example' }) }, 401, 'ERR_ID_TOKEN'],
  ['sends an expired ID token', { idToken: altered({ exp: 1 }) }, 401, 'ERR_ID_TOKEN'],
  ['sends an ID token with another nonce', { idToken: altered({ nonce: 'another' }) }, 401, 'ERR_ID_TOKEN'],
  ['sends an access token as ID token', { idToken: altered({ token_use: 'access' }) }, 401, 'ERR_ID_TOKEN'],
  ['hides its keys', { jwks: 404 }, 502, 'ERR_COGNITO_ANSWER'],
  ['sends garbage for keys', { jwks: 'garbage' }, 502, 'ERR_COGNITO_ANSWER'],
  ['sends keys without end', { jwks: 'endless' }, 502, 'ERR_COGNITO_ANSWER'],
  ['hangs over its keys', { jwks: 'hang' }, 504, 'ERR_COGNITO_TIMEOUT'],
  ['stalls over its keys', { jwks: 'stall' }, 504, 'ERR_COGNITO_TIMEOUT']
]

function altered (change: Claims) {
  return (claims: Claims, header: Claims) => ({ claims: { ...claims, ...change }, header })
}

for (const [name, fault, status, code] of FAULTS) {
  test(`When Cognito ${name}, the callback answers ${status} ${code}`, async (t) => {
    const setup = await ('jwks' in fault ? server(t) : sharedServer())
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)
    setup.cognito.fault(fault)
    const memory = process.memoryUsage().rss
    const began = performance.now()

    const answer = await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })

    t.match(
      { status: answer.status, body: JSON.parse(answer.text) as unknown },
      { status, body: { statusCode: status, code } }
    )
    t.ok(performance.now() - began < 10_000)
    t.ok(process.memoryUsage().rss - memory < 200 * 1024 * 1024)
    t.same(await setup.database.query('SELECT sess FROM session'), [], 'the login\'s row is gone, too')
    t.equal(user.cookie('cashsouk.sid'), undefined)
    t.notMatch(setup.log.join(''), setup.env.COGNITO_CLIENT_SECRET)
    t.match(setup.log.join(''), /"Token exchange"/)
  })
}

/** Why the keys could not be read, and what the log says of it. */
const KEY_FAULTS: [fault: NonNullable<Fault['jwks']>, cause: RegExp][] = [
  [429, /^key set: status 429$/],
  [503, /^key set: status 503$/],
  ['hang', /^key set: .*timeout/],
  ['stall', /^key set: .*timeout/],
  ['endless', /^key set: longer than 65536 bytes$/],
  ['garbage', /^key set: not JSON$/],
  ['reset', /^key set: (?!.*timeout)/]
]

for (const [fault, cause] of KEY_FAULTS) {
  test(`The log says why the keys could not be read: ${fault}`, async (t) => {
    const setup = await server(t)
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)
    setup.cognito.fault({ jwks: fault })

    await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })

    const lines = setup.log.map((line) => JSON.parse(line) as { msg: string, code?: string, cause?: string })
    const failed = lines.filter(({ msg }) => msg === 'Request failed')
    t.equal(failed.length, 1)
    t.match(failed[0], { code: /^ERR_COGNITO_/, cause })
  })
}

test('Sign-ins share one connection to Cognito and survive its loss', async (t) => {
  const setup = await server(t)
  const tokenRequests = () => setup.cognito.requests.filter(({ path }) => path === '/oauth2/token')
  for (let i = 0; i < 3; i++) await signIn(browser(), setup.url)
  t.equal(tokenRequests().length, 3)
  t.equal(new Set(tokenRequests().map(({ from }) => from)).size, 1)

  for (const token of ['reset', 'endless', 'hang', 'garbage', 500] as const) {
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)
    setup.cognito.fault({ token })
    t.ok((await user.get(callbackUrl, { redirect: 'manual' })).status >= 500, String(token))
    setup.cognito.fault(undefined)
    await signIn(browser(), setup.url)
  }
})

test('When Cognito is down, the callback answers 504 and sessions stay valid', async (t) => {
  const setup = await server(t)
  const [signed, user] = [browser(), browser()]
  await signIn(signed, setup.url)
  const { callbackUrl } = await reachCallback(user, setup.url)
  await setup.cognito.stop()

  const answer = await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })

  t.match(JSON.parse(answer.text), { statusCode: 504, code: 'ERR_COGNITO_TIMEOUT', message: 'Gateway Timeout' })
  t.equal((await signed.get(`${setup.url}/api/auth/me`)).status, 200)
})
