import type { FastifyPluginAsync } from 'fastify'
import { test, type Test } from 'tap'
import { freePort } from '../local/free-port.js'
import { browser, reachCallback, signIn, type Browser } from './support/browser.js'
import { instance, server } from './support/server.js'

const OLD = 'the old secret of a test and of nothing else'
const NEW = 'the new secret of a test and of nothing else'

const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/token', async (request) => request.accessToken())
}

/** An instance with the old secret, and on demand others with other lists, on the same database and pool. */
async function deployment (t: Test, overrides: Record<string, string> = {}) {
  const setup = await server(t, { SESSION_SECRET: OLD, ...overrides }, routes)
  const deploy = async (...secrets: string[]) => {
    const port = await freePort()
    const { log } = await instance(t, { ...setup.env, PORT: String(port), SESSION_SECRET: secrets.join(',') }, routes)
    return { port, log }
  }
  const me = async (user: Browser, port: number) => (await user.get(`${setup.url}/api/auth/me`, { via: port })).status
  const token = async (user: Browser, port: number) => (await user.get(`${setup.url}/token`, { via: port })).text
  const row = async () =>
    (
      await setup.database.query('SELECT sid, sess FROM session WHERE sess -> \'user\' IS NOT NULL')
    )[0] as
      { sid: string, sess: { refreshToken: string, accessToken: { sealed: string } } } | undefined
  return { setup, deploy, me, token, row }
}

const keyIds = ({ sess }: { sess: { refreshToken: string, accessToken: { sealed: string } } }) =>
  [sess.refreshToken, sess.accessToken.sealed].map((sealed) => sealed.split('.')[0])

for (const hashed of ['true', 'false']) {
  test(`A session in use survives a rotation with its tokens (SESSION_HASH_IDS=${hashed})`, async (t) => {
    const { setup, deploy, me, token, row } = await deployment(t, { SESSION_HASH_IDS: hashed })
    const user = browser()
    await signIn(user, setup.url)
    const [cookie, before] = [user.cookie('cashsouk.sid')?.value, await row()]
    const issued = await token(user, Number(setup.env.PORT))
    const [announced, both, alone] = [await deploy(OLD, NEW), await deploy(NEW, OLD), await deploy(NEW)]

    t.equal(await me(user, announced.port), 200)
    t.same(
      [user.cookie('cashsouk.sid')?.value, await row()],
      [cookie, before],
      'nothing moves before every process has the new secret'
    )

    t.equal(await me(user, both.port), 200)
    const moved = await row()
    t.not(user.cookie('cashsouk.sid')?.value, cookie, 'the cookie has moved')
    if (hashed === 'true') t.not(moved?.sid, before?.sid, 'the row has moved')
    const [oldIds, newIds] = [before, moved].map((found) => found === undefined ? [] : keyIds(found))
    t.same([new Set(oldIds).size, new Set(newIds).size], [1, 1])
    t.not(newIds?.[0], oldIds?.[0], 'the tokens have moved')
    t.equal(await me(user, announced.port), 200, 'an older process still accepts it')
    t.equal(await token(user, announced.port), issued)
    t.equal(await me(user, both.port), 200)

    t.equal(await me(user, alone.port), 200)
    t.equal(await token(user, alone.port), issued)
    t.equal((await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual', via: alone.port })).status, 303)
    t.equal(setup.cognito.requests.filter(({ path }) => path === '/oauth2/revoke').length, 1)
    t.equal(await row(), undefined)
    for (const { log } of [announced, both, alone]) t.notMatch(log.join(''), /"level":(40|50|60)/)
  })
}

test('A session that is unused during a rotation ends with the old secret', async (t) => {
  const { setup, deploy, me, token } = await deployment(t)
  const user = browser()
  await signIn(user, setup.url)
  const alone = await deploy(NEW)

  t.equal(await me(user, alone.port), 401)
  t.match(JSON.parse(await token(user, alone.port)), { code: 'ERR_UNAUTHENTICATED' })
})

test('A moved session is unknown to a process with only the old secret', async (t) => {
  const { setup, deploy, me } = await deployment(t)
  const user = browser()
  await signIn(user, setup.url)
  const both = await deploy(NEW, OLD)
  await me(user, both.port)

  t.equal(await me(user, Number(setup.env.PORT)), 401)
})

test('A login started under one secret finishes under the other', async (t) => {
  const { setup, deploy, me } = await deployment(t)
  const [announced, both] = [await deploy(OLD, NEW), await deploy(NEW, OLD)]

  for (const [loginVia, callbackVia] of [
    [Number(setup.env.PORT), both.port],
    [announced.port, both.port],
    [both.port, announced.port]
  ] as const) {
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url, { loginVia })
    t.equal((await user.get(callbackUrl, { redirect: 'manual', via: callbackVia })).status, 303)
    t.equal(await me(user, both.port), 200)
    t.equal(await me(user, announced.port), 200)
  }
})

test('Parallel requests to old and new processes lose no session or token', async (t) => {
  const { setup, deploy, me, token, row } = await deployment(t)
  const user = browser()
  await signIn(user, setup.url)
  const [announced, both, other] = [await deploy(OLD, NEW), await deploy(NEW, OLD), await deploy(NEW, OLD)]
  const cookie = user.cookieHeader(setup.url)

  const statuses = await Promise.all(Array.from({ length: 45 }, async (_, index) => {
    const port = [announced, both, other][index % 3]?.port
    return (await fetch(`http://localhost:${port}/api/auth/me`, { headers: { cookie } })).status
  }))

  t.same([...new Set(statuses)], [200])
  t.equal((await setup.database.query('SELECT FROM session')).length, 1)
  t.equal(await me(user, both.port), 200)
  const alone = await deploy(NEW)
  t.equal(await me(user, alone.port), 200)
  t.match(await token(user, alone.port), /^ey/)
  t.equal(new Set(keyIds(await row() as never)).size, 1)
})
