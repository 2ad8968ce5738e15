import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import auth, { type AuthOptions, type LoginDecision, type SessionEvent } from '../../index.js'
import { browser, signIn } from '../support/browser.js'
import { embedded } from '../support/embedded.js'
import { pass } from '../support/pass.js'
import { until } from '../support/until.js'

const rowsOf = ({ database }: Pick<Awaited<ReturnType<typeof embedded>>, 'database'>) =>
  database.query('SELECT sess FROM session WHERE sess -> \'user\' IS NOT NULL')

const application = (t: Test, options: AuthOptions) => embedded(t, { options })

test('onLogin adds to the session what it returns, and is told who signs in', async (t) => {
  const told: unknown[] = []
  const setup = await application(t, {
    onLogin: async (identity, request) => {
      told.push(identity, request.method)
      return { session: { basket: 'full' } }
    }
  })
  await signIn(browser(), setup.url, { person: 'carol', role: 'ADMIN' })
  t.match(told, [{
    user: { sub: String, name: /^Carol/ }, role: 'ADMIN', roles: ['INVESTOR', 'ISSUER', 'ADMIN'], groups: ['ADMIN'],
    authTime: Number, isStepUp: false
  }, 'GET'])
  t.match(await rowsOf(setup), [{ sess: { basket: 'full', role: 'ADMIN' } }])
})

const blame = (): never => { throw Object.assign(new Error('Please <call> us.'), { statusCode: 423 }) }

for (const [how, onLogin] of [
  ['returns { refuse }', async (): Promise<LoginDecision> => ({ refuse: 'Please <call> us.' })],
  ['throws an error of the request', async () => blame()],
  ['throws at once', blame]
] as const) {
  test(`A login is refused with the application's text if onLogin ${how}`, async (t) => {
    const setup = await application(t, { onLogin })
    const { answer } = await signIn(browser(), setup.url)
    t.equal(answer.status, 403)
    t.match(answer.text, /ERR_LOGIN_DENIED/)
    t.match(answer.text, /You cannot sign in here/)
    t.match(answer.text, /Please &[\w#]+;call&[\w#]+; us\./)
    t.same(answer.headers.getSetCookie().filter((line) => line.startsWith('cashsouk.sid=')), [])
    t.same(await rowsOf(setup), [])
    t.ok(setup.cognito.requests.some(({ path }) => path === '/oauth2/revoke'), 'its refresh token is revoked')
  })
}

for (const [how, onLogin] of [
  ['fails', async () => { throw new Error('of the application: hidden') }],
  ['sets what the package keeps', async () => ({ session: { role: 'ADMIN' } as never })],
  ['does not finish', async () => { await sleep(20_000, undefined, { ref: false }) }]
] as const) {
  test(`The user is not signed in if onLogin ${how}`, async (t) => {
    const setup = await application(t, { onLogin })
    const began = performance.now()
    const { answer } = await signIn(browser(), setup.url)
    t.equal(answer.status, 500)
    t.notMatch(answer.text, /hidden/)
    t.ok(performance.now() - began < 10_000)
    t.same(await rowsOf(setup), [])
  })
}

test('onLogout is told who signed out, and cannot fail the sign-out', async (t) => {
  const told: unknown[] = []
  const setup = await application(t, {
    onLogout: async ({ user, role }) => {
      told.push([user.name, role])
      throw new Error('of the application')
    }
  })
  const user = browser()
  const signOut = async () => (await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })).status
  t.equal(await signOut(), 303)
  t.same(told, [], 'not for a guest')
  await signIn(user, setup.url, { role: 'ISSUER' })
  t.equal(await signOut(), 303)
  t.same(told, [['Alice Sample', 'ISSUER']])
  t.same(await rowsOf(setup), [])
  t.match(setup.log.join(''), /"hook":"onLogout".*"reason":"of the application".*A hook failed/)
})

test('onSession tells once why each session has ended', async (t) => {
  const events: SessionEvent[] = []
  const setup = await embedded(t, {
    options: { onSession: (event) => { events.push(event) }, sessionPruneInterval: 100_000 },
    build: async (app, options) => {
      await app.register(auth, options)
      app.get('/private', { preHandler: app.requireSession }, async () => 'in')
    }
  })
  const user = browser()
  const told = async () => {
    await until(async () => events.length > 0)
    return events.splice(0).map(({ type, reason, user: ended }) => [type, reason, ended?.name ?? typeof ended?.sub])
  }
  await signIn(user, setup.url)
  await signIn(user, setup.url)
  t.same(await told(), [['ended', 'replaced', 'Alice Sample']])
  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
  t.same(await told(), [['ended', 'signed_out', 'Alice Sample']])

  const { answer } = await signIn(user, setup.url)
  t.equal(answer.status, 303)
  const [row] = await rowsOf(setup) as { sess: { user: { sub: string } } }[]
  await setup.app.cashsoukAuth.sessionStore.destroyByUser(String(row?.sess.user.sub))
  t.same(await told(), [['ended', 'ended_elsewhere', 'string']])

  await signIn(user, setup.url)
  await pass(setup.database, 1000)
  const refused = await user.get(`${setup.url}/private`)
  t.match(JSON.parse(refused.text), { code: 'ERR_UNAUTHENTICATED', message: 'Sign in first' })
  await user.get(`${setup.url}/private`)
  t.same(await told(), [['ended', 'idle', 'undefined']])
  await sleep(50)
  t.same(events, [], 'and not again')
})
