import type { FastifyPluginAsync } from 'fastify'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { innerOf } from '../../plugins/host.js'
import { browser, signIn, type Browser } from '../support/browser.js'
import { pass } from '../support/pass.js'
import { instance, poolOf, rows, server, type Setup, sharedServer } from '../support/server.js'

const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/token', async (request) => request.accessToken())
  fastify.get('/queries', async () => 'done')
}

const logout = async (user: Browser, { url }: Setup) => {
  await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })
}

interface Body { statusCode: number, code: string, reason: string }

/** Asks both routes, with this cookie alone. */
async function reasons ({ url }: Setup, cookie: string): Promise<unknown[]> {
  const answers = await Promise.all([
    fetch(`${url}/api/auth/me`, { headers: { cookie } }),
    fetch(`${url}/api/auth/me?slide=false`, { headers: { cookie } }),
    fetch(`${url}/api/auth/extend`, { method: 'POST', headers: { cookie, origin: url } })
  ])
  const bodies = await Promise.all(answers.map((answer) => answer.json())) as Body[]
  return [...new Set(bodies.map(({ statusCode, code, reason }) => `${statusCode} ${code} ${reason}`))]
}

const expected = (reason: string) => [`401 ERR_UNAUTHENTICATED ${reason}`]

/** Makes the access token due, so that the next `/token` renews it. */
const makeDue = async ({ database }: Setup) => {
  await database.query(`UPDATE session SET sess = jsonb_set(
    sess::jsonb, '{accessToken,since}', to_jsonb(floor(extract(epoch FROM now()) * 1000) - 3700000))::json`)
}

/** How a session ends for each reason. */
const ENDINGS: [reason: string, end: (setup: Setup, user: Browser) => Promise<unknown>][] = [
  ['signed_out', async (setup, user) => logout(user, setup)],
  ['ended_elsewhere', async ({ fastify, database }) => {
    const [row] = await database.query('SELECT sess -> \'user\' ->> \'sub\' AS sub FROM session')
    return fastify.cashsoukAuth.sessionStore.destroyByUser(String(row?.sub))
  }],
  ['role_lost', async (setup, user) => {
    await makeDue(setup)
    setup.cognito.fault({ idToken: (claims, header) => ({ claims: { ...claims, 'cognito:groups': [] }, header }) })
    return user.get(`${setup.url}/token`)
  }],
  ['provider', async (setup, user) => {
    await makeDue(setup)
    setup.cognito.fault({ token: 'invalid_grant' })
    return user.get(`${setup.url}/token`)
  }],
  ['idle', async ({ database }) => pass(database, 900)],
  ['absolute', async ({ database }) => database.query(`UPDATE session SET
    sess = jsonb_set(sess::jsonb, '{~store,created}',
      to_jsonb((sess -> '~store' ->> 'created')::bigint - 43200000))::json,
    expire = to_timestamp((sess -> '~store' ->> 'created')::float8 / 1000) AT TIME ZONE 'UTC'`)],
  ['none', async ({ database }) => database.query('DELETE FROM session')]
]

for (const [reason, end] of ENDINGS) {
  test(`The 401 of a session that has ended says why: ${reason}`, async (t) => {
    const setup = await sharedServer({ SESSION_PRUNE_INTERVAL: '100000' }, routes)
    const user = browser()
    await signIn(user, setup.url, { person: 'carol', role: 'ADMIN' })
    const cookie = user.cookieHeader(setup.url)

    await end(setup, user)

    t.same(await reasons(setup, cookie), expected(reason))
    if (['idle', 'absolute', 'none'].includes(reason)) return
    t.same(await rows(setup), [], 'the row that says why holds nothing else')
    t.match(await setup.database.query('SELECT sess FROM session'), [{ sess: { ended: reason } }])
    await pass(setup.database, 3601)
    t.same(await reasons(setup, cookie), expected('none'), 'for an hour')
  })
}

for (const [name, cookie] of [
  ['without a cookie', ''],
  ['with a forged cookie', 'cashsouk.sid=s%3Amade-up.signature'],
  ['with two forged cookies', 'cashsouk.sid=s%3Aa.b; cashsouk.sid=s%3Ac.d']
] as const) {
  test(`The 401 ${name} says none, and costs no statement`, async (t) => {
    const setup = await server(t)
    let queries = 0
    poolOf(setup.fastify).on('acquire', () => { queries++ })

    t.same([await reasons(setup, cookie), queries], [expected('none'), 0])
  })
}

test('A live session costs one statement, and one that has ended a second', async (t) => {
  const setup = await server(t, {}, routes)
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  let queries = 0
  poolOf(setup.fastify).on('acquire', () => { queries++ })
  const cost = async (act: () => Promise<unknown>) => {
    queries = 0
    await act()
    return queries
  }
  const me = () => fetch(`${setup.url}/api/auth/me`, { headers: { cookie } })

  t.equal(await cost(me), 1)
  t.equal(await cost(() => logout(user, setup)), 2, 'a sign-out: the session is read and ended')
  t.equal(await cost(me), 2)
  t.equal(await cost(() => fetch(`${setup.url}/queries`, { headers: { cookie } })), 1, 'only where it is told')
})

test('A stored reason is found after a rotation of the secret, and with plain ids', async (t) => {
  for (const SESSION_HASH_IDS of ['true', 'false']) {
    const setup = await server(t, { SESSION_HASH_IDS })
    const user = browser()
    await signIn(user, setup.url)
    const cookie = user.cookieHeader(setup.url)
    await logout(user, setup)
    const port = await freePort()
    await instance(t, {
      ...setup.env,
      PORT: String(port),
      SESSION_SECRET: `another secret of a test and of nothing else,${setup.env.SESSION_SECRET}`
    })

    const answer = await fetch(`http://localhost:${port}/api/auth/me`, { headers: { cookie } })

    t.match(await answer.json(), { reason: 'signed_out' }, `SESSION_HASH_IDS=${SESSION_HASH_IDS}`)
  }
})

/** Signs with the secret of the test server. */
let signCookie: (value: string) => string = (value) => value
const withSigner: FastifyPluginAsync = async (fastify) => {
  signCookie = (value) => innerOf(fastify).signCookie(value)
}

test('A row that says why a session ended is no session', async (t) => {
  const setup = await server(t, {}, withSigner)
  const user = browser()
  await signIn(user, setup.url)
  await logout(user, setup)
  const { sessionStore: store } = setup.fastify.cashsoukAuth
  const [row] = await setup.database.query('SELECT sid FROM session')
  const sid = String(row?.sid)

  t.match(sid, /^ended\./)
  t.equal(await store.promises.get(sid), null)
  t.equal(await store.consume(sid), null)
  t.equal(await store.promises.length(), 0)
  t.same(await store.promises.all(), [])
  t.same(await reasons(setup, `cashsouk.sid=${encodeURIComponent(`s:${signCookie(sid)}`)}`), expected('none'))
  t.equal((await setup.database.query('SELECT FROM session')).length, 1)
})

test('A reason that cannot be read is none, and the answer still 401', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  await logout(user, setup)
  t.intercept(setup.fastify.cashsoukAuth.sessionStore, 'endReason', { value: async () => { throw new Error('lost') } })

  t.same(await reasons(setup, cookie), expected('none'))
})
