import type { FastifyPluginAsync } from 'fastify'
import { test } from 'tap'
import { browser, signIn, type Browser } from '../support/browser.js'
import { isEmbedded, sharedServer, type Setup } from '../support/server.js'

const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/session', { preHandler: fastify.requireSession }, async () => 'in')
  fastify.get('/admin', { preHandler: fastify.requireRole('ADMIN') }, async () => 'in')
  fastify.get('/transfer', { preHandler: fastify.requireRecentSignIn(300) }, async () => 'in')
  fastify.get('/wrong', async () => {
    const outcome = (make: () => unknown) => {
      try {
        make()
        return 'made'
      } catch (error) {
        return error instanceof RangeError ? 'RangeError' : (error as { code: string }).code
      }
    }
    return [
      outcome(() => fastify.requireRole('SUPERUSER')),
      ...[0, -1, 1.5, 86_401, Number.NaN].map((maxAge) => outcome(() => fastify.requireRecentSignIn(maxAge)))
    ]
  })
}

const setUp = () => sharedServer({}, routes)

async function ask ({ url }: Setup, user: Browser, path: string) {
  const { status, text, headers } = await user.get(url + path)
  const body = status === 200 ? {} : JSON.parse(text) as { code: string, message: string }
  return { status, ...body, challenge: headers.get('www-authenticate') }
}

const setAuthTime = ({ database }: Setup, value: string) => database.query(
  `UPDATE session SET sess = jsonb_set(sess::jsonb, '{authTime}', ${value})::json WHERE sess->'user' IS NOT NULL`
)

test('Every guard refuses a guest with 401', async (t) => {
  const setup = await setUp()
  for (const path of ['/session', '/admin', '/transfer']) {
    t.match(await ask(setup, browser(), path), { status: 401, code: 'ERR_UNAUTHENTICATED', challenge: null }, path)
  }
})

test('requireSession and requireRecentSignIn let a user in who has just signed in', async (t) => {
  const setup = await setUp()
  const user = browser()
  await signIn(user, setup.url)
  t.match(await ask(setup, user, '/session'), { status: 200 })
  t.match(await ask(setup, user, '/transfer'), { status: 200 })
})

test('requireRole lets in users who have the role, and refuses others with 403', async (t) => {
  const setup = await setUp()
  const [alice, carol] = [browser(), browser()]
  await signIn(alice, setup.url, { person: 'alice' })
  await signIn(carol, setup.url, { person: 'carol', role: 'INVESTOR' })
  t.match(await ask(setup, alice, '/admin'), { status: 403, code: 'ERR_ROLE_NOT_GRANTED' })
  t.match(await ask(setup, carol, '/admin'), { status: 200 })
})

test('requireRecentSignIn refuses an older sign-in with the challenge of RFC 9470', async (t) => {
  const setup = await setUp()
  const user = browser()
  await signIn(user, setup.url)
  const ago = (s: number) => `to_jsonb(floor(extract(epoch FROM now()))::int - ${s})`

  await setAuthTime(setup, ago(290))
  t.match(await ask(setup, user, '/transfer'), { status: 200 })
  for (const value of [ago(302), 'to_jsonb(\'soon\'::text)', 'to_jsonb(\'9999999999999\'::text)', 'to_jsonb(true)']) {
    await setAuthTime(setup, value)
    t.match(await ask(setup, user, '/transfer'), {
      status: 401,
      statusCode: 401,
      code: 'ERR_RECENT_SIGN_IN',
      message: /300 seconds/,
      ...(isEmbedded ? {} : { requestId: String }), // the application's own error handler writes it
      challenge: 'Bearer error="insufficient_user_authentication", max_age=300'
    }, value)
  }
  t.match(await ask(setup, user, '/session'), { status: 200 }, 'the session goes on')
})

test('requireRecentSignIn refuses a session that has no auth_time', async (t) => {
  const setup = await setUp()
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query('UPDATE session SET sess = (sess::jsonb - \'authTime\')::json')
  t.match(await ask(setup, user, '/transfer'), { status: 401, code: 'ERR_RECENT_SIGN_IN' })
})

test('A step-up opens a route that requireRecentSignIn has closed', async (t) => {
  const setup = await setUp()
  const user = browser()
  await signIn(user, setup.url)
  await setAuthTime(setup, 'to_jsonb(1000)')
  t.match(await ask(setup, user, '/transfer'), { status: 401 })

  const { answer } = await signIn(user, setup.url, { query: { max_age: '300', returnTo: '/transfer' } })
  t.equal(answer.location, `${setup.url}/transfer`)
  t.match(await ask(setup, user, '/transfer'), { status: 200 })
})

test('A guard with an impossible argument fails at once', async (t) => {
  const setup = await setUp()
  const { text } = await browser().get(`${setup.url}/wrong`)
  t.same(JSON.parse(text), ['ERR_ROLE_UNKNOWN', ...Array.from({ length: 5 }, () => 'RangeError')])
})
