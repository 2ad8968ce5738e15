/**
 * Connections to the database that are cut before a statement reaches it, and after the statement was committed but
 * before its answer. And connections that are lost without a sign.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyPluginAsync } from 'fastify'
import { test, type Test } from 'tap'
import { innerOf } from '../../plugins/host.js'
import { browser, reachCallback, signIn, type Browser, type Page, type SignIn } from '../support/browser.js'
import { cuttingProxy } from '../support/cutting-proxy.js'
import { database } from '../support/database.js'
import { server } from '../support/server.js'

const NAME = 'cashsouk.sid'
const MOMENTS = ['before', 'after'] as const

/** The statement that writes a new session, also where it ends others. */
const INSERT = /INSERT INTO "session"/
/** The statement that ends a session and gives back what it held. */
const END = /DELETE FROM "session"[^]*RETURNING/
/** The statement that writes a change. */
const CHANGE = /UPDATE "session"[^]*sess =/

const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/change', async ({ session }) => {
    Object.assign(session, { basket: 'full' })
    return 'changed'
  })
  fastify.get('/sign-in', async (request) => {
    const { sessionChanges } = innerOf(fastify)
    await sessionChanges.start(request, () => ({ user: { sub: 'x' } }), () => {}).catch(() => {})
    return request.session.user?.name ?? 'guest'
  })
}

/** The application, whose connections to its database can be cut. */
async function application (t: Test) {
  const db = await database(t)
  const proxy = await cuttingProxy(t, db.url)
  const setup = await server(t, { DATABASE_URL: proxy.url }, routes)
  const issued: string[] = []
  setup.cognito.fault({
    tokens: (answer) => {
      issued.push(String(answer.refresh_token))
      return answer
    }
  })
  const revoked = () =>
    setup.cognito.requests.filter(({ path }) => path === '/oauth2/revoke').map(({ body }) => body.get('token'))
  const sessions = () => db.query(
    'SELECT sess FROM session WHERE sess -> \'user\' IS NOT NULL'
  ) as Promise<{ sess: Record<string, unknown> }[]>
  const me = async (cookie: string) => (await fetch(`${setup.url}/api/auth/me`, { headers: { cookie } })).status
  return { ...setup, proxy, issued, revoked, sessions, me }
}

type Application = Awaited<ReturnType<typeof application>>

/** Signs in, and has the connection cut that writes the session. */
async function cutSignIn (
  { url, proxy }: Application,
  user: Browser,
  moment: typeof MOMENTS[number],
  options: SignIn = {}
): Promise<Page> {
  const { callbackUrl } = await reachCallback(user, url, options)
  const cut = proxy.cut(INSERT, moment)
  const answer = await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })
  await cut
  return answer
}

const sessionCookies = ({ headers }: Page) => headers.getSetCookie().filter((line) => line.startsWith(`${NAME}=`))

/** Waits for `what` to become true, some seconds at most. */
async function eventually (what: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 150 && !await what(); i++) await sleep(50)
}

for (const moment of MOMENTS) {
  test(`A callback cut ${moment} its INSERT answers 503 without a session`, async (t) => {
    const app = await application(t)
    const user = browser()

    const answer = await cutSignIn(app, user, moment)

    t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
    t.same(sessionCookies(answer), [])
    t.equal(app.proxy.sent(INSERT), 2, 'the login, and the session once')
    await eventually(async () => app.revoked().length > 0 && (await app.sessions()).length === 0)
    t.same(await app.sessions(), [], 'no session is left that no browser has the cookie of')
    t.same(app.revoked(), app.issued)
    t.equal((await signIn(user, app.url)).answer.status, 303, 'the next sign-in succeeds')
  })
}

test('A second sign-in cut before its INSERT keeps the first session', async (t) => {
  const app = await application(t)
  const user = browser()
  await signIn(user, app.url, { person: 'alice' })
  const [before, cookie] = [await app.sessions(), user.cookieHeader(app.url)]

  const answer = await cutSignIn(app, user, 'before', { person: 'bob', query: { prompt: 'login' } })

  t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
  t.same(sessionCookies(answer), [])
  t.equal(await app.me(cookie), 200)
  await eventually(() => app.revoked().length > 0)
  await sleep(1000)
  t.same(await app.sessions(), before)
  t.same(app.revoked(), app.issued.slice(1), 'the new refresh token only')
})

test('A second sign-in cut after its INSERT ends both sessions', async (t) => {
  const app = await application(t)
  const user = browser()
  await signIn(user, app.url, { person: 'alice' })
  const cookie = user.cookieHeader(app.url)

  const answer = await cutSignIn(app, user, 'after', { person: 'bob', query: { prompt: 'login' } })

  t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
  t.same(sessionCookies(answer), [])
  await eventually(async () => app.revoked().length > 1 && (await app.sessions()).length === 0)
  t.equal(await app.me(cookie), 401)
  t.same(await app.sessions(), [])
  t.same(app.revoked().toSorted(), app.issued.toSorted())
})

for (const moment of MOMENTS) {
  test(`A sign-out cut ${moment} its DELETE answers 503 and keeps the cookie`, async (t) => {
    const app = await application(t)
    const user = browser()
    await signIn(user, app.url)
    const cookie = user.cookie(NAME)?.value
    const cut = app.proxy.cut(END, moment)

    const answer = await user.post(
      `${app.url}/api/auth/logout`,
      {},
      { redirect: 'manual', headers: { accept: 'application/json' } }
    )
    await cut

    t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
    t.equal(user.cookie(NAME)?.value, cookie)
    t.same(app.revoked(), app.issued)
    t.equal((await app.sessions()).length, moment === 'before' ? 1 : 0)
    t.equal((await user.post(`${app.url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303, 'the second try')
    t.equal(user.cookie(NAME), undefined)
    t.same(await app.sessions(), [])
  })
}

for (const moment of MOMENTS) {
  test(`A change cut ${moment} its UPDATE answers 503 and is not retried`, async (t) => {
    const app = await application(t)
    const user = browser()
    await signIn(user, app.url)
    const cut = app.proxy.cut(CHANGE, moment)

    const answer = await user.get(`${app.url}/change`)
    await cut

    t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
    t.same(sessionCookies(answer), [])
    t.equal(app.proxy.sent(CHANGE), 1)
    t.match(await app.sessions(), [{ sess: { basket: moment === 'before' ? undefined : 'full' } }])
  })
}

for (const moment of MOMENTS) {
  test(`A route that answers 200 despite a cut ${moment} its INSERT starts no session`, async (t) => {
    const app = await application(t)
    const user = browser()
    const cut = app.proxy.cut(INSERT, moment)

    const answer = await user.get(`${app.url}/sign-in`)
    await cut

    t.match(answer, { status: 200, text: 'guest' })
    t.same(sessionCookies(answer), [])
    t.equal(app.proxy.sent(INSERT), 1)
    await eventually(async () => (await app.sessions()).length === 0)
    t.same(await app.sessions(), [])
  })
}

test('Requests over connections that were lost without a sign are answered', async (t) => {
  const app = await application(t)
  const user = browser()
  await signIn(user, app.url)
  const cookie = user.cookieHeader(app.url)
  const { sessionStore } = app.fastify.cashsoukAuth
  await Promise.all([1, 2, 3, 4].map(async () => sessionStore.ping())) // several idle connections
  app.proxy.lose()

  const began = performance.now()
  t.equal(await app.me(cookie), 200)
  t.ok(performance.now() - began < 5000)
  const again = performance.now()
  for (let i = 0; i < 4; i++) t.equal(await app.me(cookie), 200)
  t.equal((await fetch(`${app.url}/health/ready`)).status, 200)
  t.ok(performance.now() - again < 2000)
})
