import { setTimeout as sleep } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { leaseSid } from '../../src/sessions/leases.js'
import { browser, signIn, type Browser, type SignIn } from '../support/browser.js'
import type { Fault, Misbehaviour } from '../support/cognito.js'
import { gate } from '../support/gate.js'
import { misbehavingProvider, type Members } from '../support/misbehaving-provider.js'
import { instance, rows as allRows, server, sharedServer, type Setup } from '../support/server.js'

/** Routes that need an access token. */
const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/token', async (request) => {
    const token = await request.accessToken()
    const again = await request.accessToken()
    return { token, isSame: token === again, role: request.session.role, roles: request.session.roles }
  })
  fastify.get('/token-and-change', async (request) => {
    Object.assign(request.session, { basket: 'full' })
    return { token: await request.accessToken() }
  })
}

interface Answer {
  status: number
  body: { token: string, isSame: boolean, role: string, roles: string[], code?: string }
  cookies: string[]
}
interface Sess {
  role: string
  roles: string[]
  refreshToken: string
  accessToken: { sealed: string, lifetimeMs: number, since?: number }
  basket?: string
}

/** @param own an application for this test alone, because it counts revocations or stops the pool. */
async function application (t: Test, { own = false } = {}) {
  const setup = await (own ? server(t, {}, routes) : sharedServer({}, routes))
  const another = async () => {
    const port = await freePort()
    logs.push((await instance(t, { ...setup.env, PORT: String(port) }, routes)).log)
    return port
  }
  const logs = [setup.log]
  return { setup, another, log: () => logs.flat().join('') }
}

async function ask (
  setup: Setup,
  user: Browser,
  { port = Number(setup.env.PORT), path = '/token' } = {}
): Promise<Answer> {
  const response = await fetch(`http://localhost:${port}${path}`, { headers: { cookie: user.cookieHeader(setup.url) } })
  return {
    status: response.status,
    body: await response.json() as Answer['body'],
    cookies: response.headers.getSetCookie()
  }
}

async function signedIn (setup: Setup, options: SignIn = {}): Promise<Browser> {
  const user = browser()
  await signIn(user, setup.url, options)
  return user
}

const calls = ({ cognito }: Setup, path: string) =>
  cognito.requests.filter((request) => request.path === path).map(({ body }) => Object.fromEntries(body))
const refreshes = (setup: Setup) =>
  calls(setup, '/oauth2/token').filter(({ grant_type: grant }) => grant === 'refresh_token')
const revoked = (setup: Setup) => calls(setup, '/oauth2/revoke').map(({ token }) => token)
const rows = (setup: Setup) => allRows<Sess>(setup)

/** Lets the access token of every session have been issued so many seconds ago: it holds for 3600. */
const age = async ({ database }: Setup, seconds: number) => {
  await database.query(`UPDATE session
    SET sess = jsonb_set(sess::jsonb, '{accessToken,since}',
      to_jsonb(floor(extract(epoch from now()) * 1000) - $1::float8))::json
    WHERE sess -> 'accessToken' IS NOT NULL`, [seconds * 1000])
}
const DUE = 3550
const ENDED = 3700

/** As if the time in which a failed Cognito is not asked again were over. */
const endPause = async ({ database }: Setup) => {
  await database.query('DELETE FROM session WHERE sess -> \'lease\' IS NOT NULL')
}

/** Another issuer with the same keys. */
async function issuerWithKeysOf (t: Test, issuer: string): Promise<string> {
  const keys = await (await fetch(`${issuer}/.well-known/jwks.json`)).json() as { keys: Members[] }
  const provider = await misbehavingProvider(t)
  provider.behaviour = keys
  return provider.issuer
}

/** Inserts a lease whose holder never releases it. */
const holdLease = async ({ database, fastify }: Setup, user: Browser, ms: number) => {
  const id = fastify === undefined
    ? ''
    : decodeURIComponent(user.cookie('cashsouk.sid')?.value ?? '').replace(/^s:/, '').split('.')[0] ?? ''
  await database.query(
    'INSERT INTO session VALUES ($1, $2, timezone(\'utc\', now()) + $3::float8 * interval \'1 millisecond\')',
    [leaseSid(id), '{"lease":"of a process that died"}', ms]
  )
}

test('accessToken() returns the token of the sign-in without calling Cognito', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)

  const { status, body } = await ask(setup, user)

  t.equal(status, 200)
  t.match(decodeJwt(body.token), { token_use: 'access', client_id: setup.env.COGNITO_CLIENT_ID })
  t.equal(body.isSame, true)
  t.same(refreshes(setup), [])
})

test('A token that is about to expire is refreshed once and stored', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)
  const first = (await ask(setup, user)).body.token
  await age(setup, DUE)

  const [second, third] = [await ask(setup, user), await ask(setup, user)]

  t.same([second.status, second.body.isSame], [200, true])
  t.not(second.body.token, first)
  t.equal(third.body.token, second.body.token)
  t.match(refreshes(setup), [{ grant_type: 'refresh_token', refresh_token: String }])
  t.match(setup.log.join(''), /"outcome":"ok","durationMs":\d+,"msg":"Token refresh"/)
})

test('A token with more than a minute left is not refreshed', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)
  await age(setup, 3500)
  t.equal((await ask(setup, user)).status, 200)
  t.same(refreshes(setup), [])
})

test('A short-lived token is refreshed after half its lifetime', async (t) => {
  const { setup } = await application(t)
  setup.cognito.fault({ tokens: (answer) => ({ ...answer, expires_in: 100 }) })
  const user = await signedIn(setup)

  for (const [seconds, count] of [[40, 0], [55, 1], [40, 1]] as const) {
    await age(setup, seconds)
    t.equal((await ask(setup, user)).status, 200)
    t.equal(refreshes(setup).length, count, `${seconds} s`)
  }
})

for (const expiresIn of [undefined, 'soon', -1, 0, null]) {
  test(`A token with expires_in ${expiresIn} lasts five minutes`, async (t) => {
    const { setup } = await application(t)
    setup.cognito.fault({ tokens: (answer) => ({ ...answer, expires_in: expiresIn }) })
    const user = await signedIn(setup)

    t.equal((await ask(setup, user)).status, 200)
    const [row] = await rows(setup)
    t.ok(Math.abs((row?.sess.accessToken.lifetimeMs ?? 0) - 300_000) < 5000)
  })
}

for (const [what, seconds] of [['is about to expire', DUE], ['has expired', ENDED]] as const) {
  test(`A token that ${what} is refreshed once for forty parallel requests`, async (t) => {
    const { setup, another } = await application(t)
    const user = await signedIn(setup)
    const ports = [Number(setup.env.PORT), await another(), await another()]
    await age(setup, seconds)
    setup.cognito.fault({ delayMs: 300 })

    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => ask(setup, user, { port: ports[index % 3] as number }))
    )

    t.same([...new Set(answers.map(({ status }) => status))], [200])
    t.equal(new Set(answers.map(({ body }) => body.token)).size, 1)
    t.equal(refreshes(setup).length, 1)
    t.equal((await rows(setup)).length, 1, 'no lease is left')
  })
}

test('Tokens of different sessions are refreshed in parallel', async (t) => {
  const { setup } = await application(t)
  const users = await Promise.all((['alice', 'bob', 'carol'] as const).map((person) => signedIn(setup, { person })))
  await age(setup, ENDED)

  const answers = await Promise.all(users.map((user) => ask(setup, user)))

  t.equal(new Set(answers.map(({ body }) => decodeJwt(body.token).sub)).size, 3)
  t.equal(refreshes(setup).length, 3)
})

test('The refresh token is kept when Cognito returns no new one', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)
  for (let i = 0; i < 3; i++) {
    await age(setup, ENDED)
    t.equal((await ask(setup, user)).status, 200)
  }
  t.equal(new Set(refreshes(setup).map(({ refresh_token: token }) => token)).size, 1)
})

test('A rotated refresh token is stored, used and revoked at sign-out', async (t) => {
  const { setup } = await application(t, { own: true })
  const user = await signedIn(setup)
  setup.cognito.fault({ rotate: true })
  for (let i = 0; i < 3; i++) {
    await age(setup, ENDED)
    t.equal((await ask(setup, user)).status, 200)
  }

  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })

  t.match(refreshes(setup).map(({ refresh_token: token }) => token), [/^(?!rotated)/, /^rotated-0/, /^rotated-1/])
  t.match(revoked(setup), [/^rotated-2/])
})

test('A refused refresh ends the session: every waiting request answers 401', async (t) => {
  const { setup, another, log } = await application(t)
  const user = await signedIn(setup)
  const ports = [Number(setup.env.PORT), await another()]
  await age(setup, DUE)
  setup.cognito.fault({ token: 'invalid_grant', delayMs: 300 })

  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => ask(setup, user, { port: ports[index % 2] as number }))
  )

  t.same([...new Set(answers.map(({ status, body: { code } }) => `${status} ${code}`))], ['401 ERR_UNAUTHENTICATED'])
  for (const { cookies } of answers) t.match(cookies, [/^cashsouk\.sid\.signed-out=[0-9a-z]+; Max-Age=60;/])
  t.equal(answers.flatMap(({ cookies }) => cookies).length, 10, 'no other cookie is set or cleared')
  t.equal(refreshes(setup).length, 1)
  t.same(await rows(setup), [])
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 401)
  t.match(log(), /A session was ended: Cognito no longer takes its refresh token/)
})

/** What Cognito does, and what a request is answered that has no token any more. */
const TROUBLE: [Misbehaviour | 'down', status: number, code: string][] = [
  [
    429, 502, 'ERR_COGNITO_ANSWER'
  ], [500, 502, 'ERR_COGNITO_ANSWER'], [503, 502, 'ERR_COGNITO_ANSWER'], ['html', 502, 'ERR_COGNITO_ANSWER'],
  [
    'garbage', 502, 'ERR_COGNITO_ANSWER'
  ], ['empty', 502, 'ERR_COGNITO_ANSWER'], ['invalid_client', 502, 'ERR_COGNITO_ANSWER'],
  ['reset', 504, 'ERR_COGNITO_TIMEOUT'], ['hang', 504, 'ERR_COGNITO_TIMEOUT'], ['down', 504, 'ERR_COGNITO_TIMEOUT']
]

for (const [trouble, status, code] of TROUBLE) {
  test(`While Cognito fails with ${trouble}, only an expired token answers ${status}`, async (t) => {
    const { setup } = await application(t, { own: trouble === 'down' })
    const user = await signedIn(setup)
    const { token } = (await ask(setup, user)).body
    if (trouble === 'down') await setup.cognito.stop()
    else setup.cognito.fault({ token: trouble })

    await age(setup, DUE)
    const held = await ask(setup, user)
    await endPause(setup)
    await age(setup, ENDED)
    const ended = await ask(setup, user)

    t.match(held, { status: 200, body: { token } })
    t.match(ended, { status, body: { code } })
    t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
    if (trouble === 'down') await setup.cognito.start()
    else setup.cognito.fault(undefined)
    await endPause(setup)
    t.equal((await ask(setup, user)).status, 200, 'once Cognito is back')
  })
}

test('After a failed refresh no instance retries immediately', async (t) => {
  const { setup, another } = await application(t)
  const user = await signedIn(setup)
  const port = await another()
  await age(setup, ENDED)
  setup.cognito.fault({ token: 500 })

  const answers = [await ask(setup, user), await ask(setup, user), await ask(setup, user, { port })]

  t.same(answers.map(({ status, body: { code } }) => `${status} ${code}`), Array(3).fill('502 ERR_COGNITO_ANSWER'))
  t.equal(refreshes(setup).length, 1)
})

const FORGED: [what: string, fault: Fault['idToken']][] = [
  [
    'is about another user',
    (claims, header) => ({ claims: { ...claims, sub: '00000000-0000-4000-8000-000000000000' }, header })
  ],
  ['is for another client', (claims, header) => ({ claims: { ...claims, aud: 'another' }, header })],
  ['is of another issuer', (claims, header) => ({ claims: { ...claims, iss: 'https://evil.example' }, header })],
  ['has expired', (claims, header) => ({ claims: { ...claims, exp: 1 }, header })],
  ['is an access token', (claims, header) => ({ claims: { ...claims, token_use: 'access' }, header })],
  ['is signed by another key', 'foreign-key'],
  ['is not signed', 'unsigned'],
  ['is missing', 'missing']
]

for (const [what, idToken] of FORGED) {
  test(`A refresh whose ID token ${what} answers 502 and stores nothing`, async (t) => {
    const { setup } = await application(t)
    const user = await signedIn(setup)
    await age(setup, ENDED)
    const [before] = await rows(setup)
    setup.cognito.fault(
      { ...(idToken === undefined ? {} : { idToken }), tokens: (answer) => ({ ...answer, refresh_token: 'planted' }) }
    )

    const { status, body } = await ask(setup, user)

    t.match({ status, code: body.code }, { status: 502, code: 'ERR_COGNITO_ANSWER' })
    t.same((await rows(setup)).find(({ sess }) => 'refreshToken' in sess)?.sess, before?.sess)
  })
}

test('No sign-in and no refresh fails while a pool changes its issuer', async (t) => {
  const { setup } = await application(t)
  const updated = await issuerWithKeysOf(t, setup.env.COGNITO_ISSUER ?? '')
  const port = await freePort()
  await instance(t, {
    ...setup.env, PORT: String(port), COGNITO_ISSUER: `${setup.env.COGNITO_ISSUER},${updated}`
  }, routes)
  const user = await signedIn(setup)
  const statuses = async () => {
    await age(setup, ENDED)
    const { answer } = await signIn(browser(), setup.url, { callbackVia: port })
    return [answer.status, (await ask(setup, user, { port })).status]
  }

  t.same(await statuses(), [303, 200], 'the original issuer')
  setup.cognito.fault({ idToken: (claims, header) => ({ claims: { ...claims, iss: updated }, header }) })
  t.same(await statuses(), [303, 200], 'the updated one')
  setup.cognito.fault(undefined)
  t.same(await statuses(), [303, 200], 'and back')
})

test('The ID token of a refresh needs no nonce', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)
  await age(setup, ENDED)
  setup.cognito.fault({ idToken: ({ nonce: _nonce, ...claims }, header) => ({ claims, header }) })

  t.equal((await ask(setup, user)).status, 200)
})

test('A refresh removes revoked roles and adds granted ones', async (t) => {
  const { setup } = await application(t)
  const [carol, alice] = [
    await signedIn(setup, { person: 'carol', role: 'INVESTOR' }),
    await signedIn(setup, { person: 'alice' })
  ]
  t.same((await ask(setup, carol)).body.roles, ['INVESTOR', 'ISSUER', 'ADMIN'])

  await age(setup, DUE)
  setup.cognito.fault({ idToken: ({ 'cognito:groups': _groups, ...claims }, header) => ({ claims, header }) })
  t.same((await ask(setup, carol)).body.roles, ['INVESTOR', 'ISSUER'], 'in the very request')
  t.match(
    JSON.parse((await carol.get(`${setup.url}/api/auth/me`)).text),
    { role: 'INVESTOR', roles: ['INVESTOR', 'ISSUER'] }
  )

  setup.cognito.fault({ idToken: (claims, header) => ({ claims: { ...claims, 'cognito:groups': ['ADMIN'] }, header }) })
  t.same((await ask(setup, alice)).body.roles, ['INVESTOR', 'ISSUER', 'ADMIN'])
})

test('A session ends when its own role is no longer granted', async (t) => {
  const { setup } = await application(t, { own: true })
  const user = await signedIn(setup, { person: 'carol', role: 'ADMIN' })
  await age(setup, DUE)
  setup.cognito.fault(
    { rotate: true, idToken: (claims, header) => ({ claims: { ...claims, 'cognito:groups': ['ISSUER'] }, header }) }
  )

  t.match(await ask(setup, user), { status: 401, body: { code: 'ERR_UNAUTHENTICATED' } })

  t.same(await rows(setup), [])
  t.match(revoked(setup), [/^rotated-0/])
  t.match(setup.log.join(''), /A session was ended: its role is no longer granted/)
})

test('A sign-out during a refresh wins and revokes the new refresh token', async (t) => {
  const { setup } = await application(t, { own: true })
  const user = await signedIn(setup)
  await age(setup, ENDED)
  setup.cognito.fault({ rotate: true, delayMs: 700 })

  const asking = ask(setup, user)
  while (refreshes(setup).length === 0) await sleep(10)
  const logout = await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
  const answer = await asking

  t.equal(logout.status, 303)
  t.match(answer, { status: 401, body: { code: 'ERR_UNAUTHENTICATED' }, cookies: [] })
  t.same(await rows(setup), [])
  t.match(revoked(setup), [/^(?!rotated)/, /^rotated-0/])
})

test('A sign-out in progress revokes the refresh token of a later refresh', async (t) => {
  const [arrival, door] = [gate(), gate()]
  const setup = await server(t, {}, routes, fp(async (fastify) => {
    fastify.addHook('preHandler', async ({ routeOptions }) => {
      if (routeOptions.url !== '/api/auth/logout') return
      arrival.open()
      await door.passed
    })
  }))
  const user = await signedIn(setup)
  await age(setup, ENDED)
  setup.cognito.fault({ rotate: true })

  const logout = fetch(
    `${setup.url}/api/auth/logout`,
    { method: 'POST', redirect: 'manual', headers: { cookie: user.cookieHeader(setup.url), origin: setup.url } }
  )
  await arrival.passed
  t.equal((await ask(setup, user)).status, 200)
  door.open()

  t.equal((await logout).status, 303)
  t.match(revoked(setup), [/^rotated-0/])
  t.same(await rows(setup), [])
})

test('Another process takes over when the lease of a dead holder expires', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)
  await age(setup, ENDED)
  await holdLease(setup, user, 1000)

  const answer = await ask(setup, user)

  t.equal(answer.status, 200)
  t.equal(refreshes(setup).length, 1)
})

test('Waiting for a lease ends with the old token, or 504 if it has expired', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)
  const { token } = (await ask(setup, user)).body
  await holdLease(setup, user, 60_000)

  await age(setup, DUE)
  t.match(await ask(setup, user), { status: 200, body: { token } })
  await age(setup, ENDED)
  t.match(await ask(setup, user), { status: 504, body: { code: 'ERR_COGNITO_TIMEOUT' } })
  t.same(refreshes(setup), [])
})

for (const [what, cookie] of [['without a cookie', ''], ['with a forged cookie', 'cashsouk.sid=s%3Ax.y']] as const) {
  test(`A guest ${what} gets 401 from accessToken()`, async (t) => {
    const { setup } = await application(t)
    const response = await fetch(`${setup.url}/token`, { headers: { cookie } })
    t.match(await response.json(), { statusCode: 401, code: 'ERR_UNAUTHENTICATED' })
  })
}

test('Without a refresh token the access token is used until it expires', async (t) => {
  const { setup } = await application(t)
  setup.cognito.fault({ tokens: ({ refresh_token: _token, ...answer }) => answer })
  const user = await signedIn(setup)

  t.equal((await ask(setup, user)).status, 200)
  await age(setup, ENDED)
  t.match(await ask(setup, user), { status: 401, body: { code: 'ERR_UNAUTHENTICATED' } })
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('Changes to the session are kept beside the new tokens', async (t) => {
  const { setup } = await application(t)
  const user = await signedIn(setup)
  await age(setup, ENDED)

  const { body } = await ask(setup, user, { path: '/token-and-change' })

  t.match(await rows(setup), [{ sess: { basket: 'full', role: 'INVESTOR', user: { name: 'Alice Sample' } } }])
  t.equal((await ask(setup, user)).body.token, body.token)
  t.equal(refreshes(setup).length, 1)
})

test('Stored tokens are encrypted and bound to their session and field', async (t) => {
  const { setup } = await application(t)
  const [alice, bob] = [await signedIn(setup, { person: 'alice' }), await signedIn(setup, { person: 'bob' })]
  const { token } = (await ask(setup, alice)).body
  t.notMatch(JSON.stringify(await rows(setup)), token.slice(0, 20))
  const [a, b] = (await rows(setup)).sort((one) => JSON.stringify(one).includes('alice@') ? -1 : 1)
  const put = async (row: { sid: string } | undefined, changes: object) => {
    await setup.database.query(
      'UPDATE session SET sess = (sess::jsonb || $2::jsonb)::json WHERE sid = $1',
      [row?.sid, JSON.stringify(changes)]
    )
  }
  const refreshToken = a?.sess.refreshToken

  await put(b, { refreshToken, accessToken: a?.sess.accessToken })
  t.match(await ask(setup, bob), { status: 401, body: { code: 'ERR_UNAUTHENTICATED' } })
  await put(a, { accessToken: { ...a?.sess.accessToken, sealed: refreshToken } })
  t.not((await ask(setup, alice)).body.token, refreshes(setup)[0]?.refresh_token)
  t.equal(refreshes(setup).length, 1, 'alice\'s own')
})
