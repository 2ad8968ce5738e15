import type { FastifyPluginAsync } from 'fastify'
import { test, type Test } from 'tap'
import { innerOf } from '../../plugins/host.js'
import { PgSessionStore } from '../../src/sessions/index.js'
import { browser, reachCallback, signIn, type Browser, type SignIn } from '../support/browser.js'
import { cuttingProxy } from '../support/cutting-proxy.js'
import { database } from '../support/database.js'
import { isEmbedded, server, sharedServer, type Setup } from '../support/server.js'
import { until } from '../support/until.js'

/** An application names its requests itself. */
const REQUEST_ID = isEmbedded ? /^req-\w+$/ : /^[\da-f-]{36}$/

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const ALICE = '11111111-1111-4111-8111-111111111111'
const CAROL = '33333333-3333-4333-8333-333333333333'
const ON = { AUDIT: 'true' }

const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/token', async (request) => request.accessToken())
}

interface Row {
  id: string
  type: string
  sub: string | null
  role: string | null
  session: string | null
  ip: string | null
  device: string | null
  actor: string | null
  reason: string | null
  request_id: string | null
  count: number
}

const events = async ({ database: db }: Pick<Setup, 'database'>) =>
  await db.query('SELECT * FROM auth_event ORDER BY id') as Row[]

/** Each event as one text, in any order of those that one statement has written. */
const told = async (setup: Pick<Setup, 'database'>) =>
  (await events(setup)).map(({ type, actor, reason }) => [type, actor, reason].filter(Boolean).join(' ')).sort()

/** A server with an empty audit trail. */
async function audited (overrides: Record<string, string> = {}): Promise<Setup> {
  const setup = await sharedServer({ ...ON, ...overrides }, routes)
  await setup.database.query('DELETE FROM auth_event')
  return setup
}

const lines = ({ log }: Pick<Setup, 'log'>) =>
  log.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === 'Audit')

async function publicIds (setup: Setup, user: Browser): Promise<string[]> {
  const { text } = await user.get(`${setup.url}/api/auth/sessions`)
  return (JSON.parse(text) as { id: string }[]).map(({ id }) => id)
}

const logout = async (user: Browser, { url }: Pick<Setup, 'url'>) =>
  user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })

/** Makes the access token due, so that the next `/token` renews it. */
const makeDue = async ({ database: db }: Setup) => {
  await db.query(`UPDATE session SET sess = jsonb_set(
    sess::jsonb, '{accessToken,since}', to_jsonb(floor(extract(epoch FROM now()) * 1000) - 3700000))::json
    WHERE sess -> 'accessToken' IS NOT NULL`)
}

test('A sign-in and a sign-out are one row and one line of the log each', async (t) => {
  const setup = await audited()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, { role: 'ISSUER', person: 'alice' })
  await user.get(callbackUrl, { redirect: 'manual', headers: { 'user-agent': FIREFOX } })
  const [id] = await publicIds(setup, user)
  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual', headers: { 'user-agent': FIREFOX } })

  const [signInRow, signOutRow, ...others] = await events(setup)
  t.same(others, [])
  const common = { sub: ALICE, role: 'ISSUER', session: id, ip: '127.0.0.1', device: 'Firefox on Linux', count: 1 }
  t.match(signInRow, { ...common, type: 'sign_in', actor: null, reason: null, request_id: REQUEST_ID })
  t.match(signOutRow, { ...common, type: 'sign_out', actor: 'user', reason: null, request_id: REQUEST_ID })

  const [signInLine, signOutLine, ...otherLines] = lines(setup)
  t.same(otherLines, [])
  const { count, ...logged } = common
  t.match(signInLine, { ...logged, level: 30, event: 'sign_in', reqId: signInRow?.request_id, eventId: signInRow?.id })
  t.match(signOutLine, { ...logged, event: 'sign_out', reqId: signOutRow?.request_id, at: /^\d{4}-\d\d-\d\dT.*Z$/ })
  t.equal(count, 1)
})

test('What signs users in is neither in a row nor in a line', async (t) => {
  const setup = await audited()
  const user = browser()
  const secrets = new Set<string>()
  const remember = async () => {
    for (const { value } of user.cookies) {
      for (const part of decodeURIComponent(value).replace(/^s:/, '').split('.')) secrets.add(part)
    }
    for (const { sid, sess } of await setup.database.query('SELECT sid, sess FROM session')) {
      secrets.add(String(sid))
      const { state, nonce, codeVerifier, refreshToken } = sess as Record<string, string | undefined>
      for (const value of [state, nonce, codeVerifier, refreshToken]) secrets.add(value ?? '')
    }
  }
  const { callbackUrl } = await reachCallback(user, setup.url, { person: 'alice' })
  await remember()
  secrets.add(new URL(callbackUrl).searchParams.get('code') ?? '')
  await user.get(callbackUrl, { redirect: 'manual' })
  await remember()
  await browser().get(callbackUrl)
  await logout(user, setup)
  await until(async () => (await events(setup)).length === 3)

  const all = JSON.stringify([await events(setup), lines(setup)])
  secrets.delete('')
  t.ok(secrets.size > 8)
  t.same([...secrets].filter((secret) => secret.length > 8 && all.includes(secret)), [])
  t.notMatch(all, /alice@example\.com|Alice Sample/, 'nor who it was in words')
})

test('Without AUDIT there is no table, no line and no further statement', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = browser()
  await signIn(user, setup.url)
  await browser().get(`${setup.url}/api/auth/callback?state=unknown&code=x`)
  await logout(user, setup)

  t.same(await setup.database.query('SELECT to_regclass(\'auth_event\') AS found'), [{ found: null }])
  t.same(lines(setup), [])
})

test('The next sign-in in the same browser ends the former session, and a step-up goes on', async (t) => {
  const setup = await audited()
  const user = browser()
  await signIn(user, setup.url, { person: 'alice' })
  const [first] = await publicIds(setup, user)
  await signIn(user, setup.url, { person: 'alice', query: { prompt: 'login' } })
  const [second] = await publicIds(setup, user)
  await signIn(user, setup.url, { person: 'alice', query: { max_age: '300', prompt: 'login' } })

  t.same(await told(setup), ['ended user replaced', 'ended user step_up', 'sign_in', 'sign_in', 'step_up'])
  const ended = (await events(setup)).filter(({ type }) => type === 'ended')
  t.same(ended.map(({ session }) => session), [first, second])
})

test('Sessions that end from another device, by a limit and by an operator say who and why', async (t) => {
  const setup = await audited({ SESSION_LIMIT: '3' })
  const devices = [browser(), browser(), browser(), browser()] as const
  for (const device of devices) await signIn(device, setup.url, { person: 'alice' })
  const last = devices[3]
  const [, other] = await publicIds(setup, last)
  const remove = async (path: string) =>
    last.send('DELETE', `${setup.url}/api/auth/sessions${path}`, { headers: { origin: setup.url } })
  await remove(`/${other ?? ''}`)
  await remove('')
  await setup.fastify.cashsoukAuth.sessionStore.destroyByUser(ALICE)

  t.same((await told(setup)).filter((text) => text.startsWith('ended')), [
    'ended operator ended_elsewhere', 'ended server limit', 'ended user ended_elsewhere', 'ended user ended_elsewhere'
  ])
  const [byUser] = (await events(setup)).filter(({ actor }) => actor === 'user')
  t.match(byUser, { session: other, sub: ALICE, ip: '127.0.0.1' })
  const byOperator = (await events(setup)).find(({ actor }) => actor === 'operator')
  t.match(byOperator, { sub: ALICE, ip: null, request_id: null })
})

test('A session that ends itself from the account page is a sign-out', async (t) => {
  const setup = await audited()
  const user = browser()
  await signIn(user, setup.url)
  const [own] = await publicIds(setup, user)
  await user.send('DELETE', `${setup.url}/api/auth/sessions/${own ?? ''}`, { headers: { origin: setup.url } })
  t.same(await told(setup), ['sign_in', 'sign_out user'])
})

test('A lost role and a refresh token that Cognito refuses end the session, with a row each', async (t) => {
  const setup = await audited()
  const [carol, alice] = [browser(), browser()]
  await signIn(carol, setup.url, { person: 'carol', role: 'ADMIN' })
  await makeDue(setup)
  setup.cognito.fault({ idToken: (claims, header) => ({ claims: { ...claims, 'cognito:groups': [] }, header }) })
  await carol.get(`${setup.url}/token`)
  setup.cognito.fault(undefined)
  await signIn(alice, setup.url, { person: 'alice' })
  await makeDue(setup)
  setup.cognito.fault({ token: 'invalid_grant' })
  await alice.get(`${setup.url}/token`)

  t.same(await told(setup), [
    'ended cognito provider', 'ended server role_lost', 'renewal_refused cognito ERR_LOGIN_REFUSED',
    'sign_in', 'sign_in'
  ])
  const found = await events(setup)
  t.match(found.find(({ reason }) => reason === 'role_lost'), { sub: CAROL, role: 'ADMIN', ip: '127.0.0.1' })
  t.match(found.find(({ type }) => type === 'renewal_refused'), { sub: ALICE, session: /^[\w-]{22}$/ })
})

test('A refused sign-in is recorded with its code, and with the user where that is known', async (t) => {
  const setup = await audited()
  const attempt = async (options: SignIn, query = '') => {
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url, options)
    await user.get(callbackUrl + query, { headers: { 'user-agent': FIREFOX } })
  }
  await browser().get(`${setup.url}/api/auth/callback?state=unknown&code=x`)
  await browser().get(`${setup.url}/api/auth/login?role=KING`)
  await browser().get(`${setup.url}/api/auth/login`, { headers: { 'sec-purpose': 'prefetch' } })
  await attempt({ person: 'alice', role: 'ADMIN' })
  setup.cognito.fault({ token: 500 })
  await attempt({ person: 'alice' })

  await until(async () => (await events(setup)).length === 4)
  t.same(await told(setup), [
    'refused ERR_COGNITO_ANSWER', 'refused ERR_ROLE_NOT_GRANTED', 'refused ERR_ROLE_UNKNOWN',
    'refused ERR_STATE_UNKNOWN'
  ])
  const notGranted = (await events(setup)).find(({ reason }) => reason === 'ERR_ROLE_NOT_GRANTED')
  t.match(notGranted, {
    sub: ALICE, role: 'ADMIN', session: null, ip: '127.0.0.1', device: 'Firefox on Linux', request_id: REQUEST_ID
  })
  t.equal(lines(setup).length, 4)
})

test('A flood of refusals writes few rows, counts the rest, and hides no other address for long', async (t) => {
  const setup = await server(t, ON)
  const callback = `${setup.url}/api/auth/callback?state=unknown&code=x`
  await Promise.all(Array.from({ length: 100 }, async () => browser().get(callback)))
  await until(async () => (await events(setup)).length > 0)
  t.equal((await events(setup)).length, 5)

  await setup.fastify.close()
  const recorded = await events(setup)
  t.equal(recorded.length, 6)
  t.match(recorded[5], { type: 'refused', reason: 'ERR_STATE_UNKNOWN', ip: '127.0.0.1', count: 95 })
})

for (const moment of ['before', 'after'] as const) {
  test(`A callback cut ${moment} its INSERT leaves a session's beginning and end, or neither`, async (t) => {
    const db = await database(t)
    const proxy = await cuttingProxy(t, db.url)
    const setup = { ...await server(t, { ...ON, DATABASE_URL: proxy.url }, routes), database: db }
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)
    const cut = proxy.cut(/INSERT INTO "session"/, moment)
    const { status } = await user.get(callbackUrl, { redirect: 'manual' })
    await cut

    t.equal(status, 503)
    const expected = moment === 'before' ? [] : ['ended server unconfirmed', 'sign_in']
    await until(async () => (await told(setup)).length === expected.length + 1)
    t.same(await told(setup), [...expected, 'refused ERR_DATABASE'].sort())
    t.same(await db.query('SELECT FROM session WHERE sess -> \'user\' IS NOT NULL'), [])
  })
}

test('A sign-in whose event cannot be written does not sign in', async (t) => {
  const setup = await server(t, ON)
  await setup.database.query('ALTER TABLE auth_event ADD CHECK (type <> \'sign_in\')')
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  t.equal((await user.get(callbackUrl, { redirect: 'manual' })).status, 503)
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 401)
})

test('Events are pruned after AUDIT_DAYS', async (t) => {
  const setup = await server(t, { ...ON, AUDIT_DAYS: '7' })
  await setup.database.query(`INSERT INTO auth_event (at, type)
    VALUES (now() - interval '8 days', 'old'), (now() - interval '6 days', 'young')`)
  await setup.fastify.cashsoukAuth.sessionStore.prune()
  t.same(await told(setup), ['young'])
})

/** The URL of `db` for a role that may use the session table and create nothing. */
async function bareRole (t: Test, db: Awaited<ReturnType<typeof database>>): Promise<string> {
  await new PgSessionStore({ conString: db.url, pruneSessionInterval: false }).createTable()
  const name = `r${process.pid}_${Math.floor(Math.random() * 1e9)}`
  await db.query(`CREATE ROLE ${name} LOGIN PASSWORD 'test'`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`) })
  await db.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC')
  await db.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON session TO ${name}`)
  return Object.assign(new URL(db.url), { username: name, password: 'test' }).href
}

test('A start is refused with the SQL if the role may not create the table of events', async (t) => {
  const db = await database(t)
  const url = await bareRole(t, db)
  await t.rejects(server(t, { ...ON, DATABASE_URL: url }), {
    code: 'ERR_CONFIG',
    message: /AUDIT needs its table: table "auth_event" is missing, .*\nCREATE TABLE "auth_event" \(/
  })
  const { fastify } = await server(t, { DATABASE_URL: url })
  t.equal(innerOf(fastify).audit, undefined, 'without AUDIT it starts')
})
