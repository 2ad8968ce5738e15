import { test } from 'tap'
import { browser, signIn } from '../../../../support/browser.js'
import { server, sharedServer, type Setup } from '../../../../support/server.js'
import { stoppablePostgres } from '../../../../support/stoppable-postgres.js'
import { identity, NO_IDENTITY, VERIFY } from '../../../../support/verify.js'

const sub = async ({ database }: Setup): Promise<unknown> =>
  (await database.query('SELECT sess -> \'user\' ->> \'sub\' AS sub FROM session WHERE sid LIKE \'h1.%\''))[0]?.sub

test('GET /api/auth/verify answers an empty 200 with who is signed in', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url, { role: 'ISSUER' })

  const answer = await user.get(`${setup.url}${VERIFY}`)

  t.equal(answer.status, 200)
  t.equal(answer.text, '')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(answer.headers.get('etag'), null)
  const { 'x-auth-session': id, ...told } = identity(answer)
  t.same(told, {
    'x-auth-user': await sub(setup),
    'x-auth-email': 'alice@example.com',
    'x-auth-role': 'ISSUER',
    'x-auth-roles': 'INVESTOR,ISSUER'
  })
  t.match(id, /^[\w-]{22}$/)
})

test('x-auth-session is the id that listByUser tells, and no cookie', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const id = (await user.get(`${setup.url}${VERIFY}`)).headers.get('x-auth-session') ?? ''

  const [listed] = await setup.fastify.cashsoukAuth.sessionStore.listByUser(String(await sub(setup)))

  t.equal(id, listed?.id)
  t.equal(await setup.fastify.cashsoukAuth.sessionStore.promises.get(id), null)
  const forged = browser()
  forged.setCookie(setup.url, `cashsouk.sid=${encodeURIComponent(`s:${id}`)}; Path=/`)
  t.equal((await forged.get(`${setup.url}${VERIFY}`)).status, 401)
})

test('GET /api/auth/verify?role= admits users who have the role, whichever they asked for', async (t) => {
  const setup = await sharedServer()
  const [alice, carol] = [browser(), browser()]
  await signIn(alice, setup.url)
  await signIn(carol, setup.url, { person: 'carol' })

  t.equal((await alice.get(`${setup.url}${VERIFY}?role=ISSUER`)).status, 200)
  t.equal((await carol.get(`${setup.url}${VERIFY}?role=ADMIN`)).status, 200)
  const refusal = await alice.get(`${setup.url}${VERIFY}?role=ADMIN`)
  t.equal(refusal.status, 403)
  t.match(JSON.parse(refusal.text), { code: 'ERR_ROLE_NOT_GRANTED' })
  t.same(identity(refusal), NO_IDENTITY)
})

test('Without a session, GET /api/auth/verify answers 401 with every header, empty', async (t) => {
  const setup = await sharedServer()

  const answer = await browser().get(`${setup.url}${VERIFY}`)

  t.equal(answer.status, 401)
  t.match(JSON.parse(answer.text), { code: 'ERR_UNAUTHENTICATED', reason: 'none' })
  t.same(identity(answer), NO_IDENTITY)
})

test('After a sign-out, the 401 of GET /api/auth/verify has the reason', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  t.equal((await user.get(`${setup.url}${VERIFY}`)).status, 200)
  await user.post(`${setup.url}/api/auth/logout`)

  const answer = await browser().get(`${setup.url}${VERIFY}`, { headers: { cookie } })

  t.equal(answer.status, 401)
  t.match(JSON.parse(answer.text), { reason: 'signed_out' })
})

test('While the database is away, GET /api/auth/verify answers 503 with Retry-After', async (t) => {
  const postgres = await stoppablePostgres(t)
  const setup = await server(t, { DATABASE_URL: postgres.url })
  const user = browser()
  await signIn(user, setup.url)
  t.equal((await user.get(`${setup.url}${VERIFY}`)).status, 200)
  await postgres.stop()

  const answer = await user.get(`${setup.url}${VERIFY}`)

  t.equal(answer.status, 503)
  t.match(JSON.parse(answer.text), { code: 'ERR_DATABASE', message: 'Service Unavailable' })
  t.match(answer.headers.get('retry-after'), /^\d+$/)
  t.same(identity(answer), NO_IDENTITY)
})

test('While there are no keys of assertions, GET /api/auth/verify answers 503 with Retry-After', async (t) => {
  const setup = await server(t)
  await setup.database.query('ALTER TABLE session ADD CHECK (sid NOT LIKE \'shared.%\')')
  const user = browser()
  await signIn(user, setup.url)

  const answer = await user.get(`${setup.url}${VERIFY}`)

  t.equal(answer.status, 503)
  t.equal(answer.headers.get('retry-after'), '5')
  t.same(identity(answer), NO_IDENTITY)
})
