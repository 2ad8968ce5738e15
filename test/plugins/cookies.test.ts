import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import cookies from '../../plugins/cookies.js'
import { sessionCookie } from '../../src/cookies.js'

const first = 'first secret of a test and nothing else'
const second = 'other secret of a test and nothing else'

async function build (t: Test, SESSION_SECRET: string[] = [first]) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(fp(async (app) => { app.decorate('config', { SESSION_SECRET } as never) }, { name: 'config' }))
  await fastify.register(cookies)
  return fastify
}

const session = { COOKIE_NAME: 'a', SESSION_TTL: 600, https: false }

/** The `Set-Cookie` line of a route that sets or clears the session cookie. */
async function lineOf (t: Test, config: typeof session, action: 'set' | 'clear') {
  const { name, attributes } = sessionCookie(config)
  const fastify = await build(t)
  fastify.get('/', async (_request, reply) => {
    if (action === 'set') void reply.setCookie(name, '1', attributes)
    else void reply.clearCookie(name, attributes)
    return 'x'
  })
  return (await fastify.inject('/')).headers['set-cookie']
}

test('cookies are parsed', async (t) => {
  const fastify = await build(t)
  fastify.get('/', async (request) => request.cookies)
  const reply = await fastify.inject({ url: '/', headers: { cookie: 'a=1; b=two%20words; c=%zz' } })
  t.same(reply.json(), { a: '1', b: 'two words', c: '%zz' })
})

test('the Max-Age of a session cookie is the idle lifetime', async (t) => {
  t.equal(await lineOf(t, session, 'set'), 'a=1; Max-Age=600; Path=/; HttpOnly; SameSite=Lax')
  t.equal(await lineOf(t, { ...session, SESSION_TTL: 5 }, 'set'), 'a=1; Max-Age=5; Path=/; HttpOnly; SameSite=Lax')
})

test('a cleared cookie expires immediately', async (t) => {
  const gone = /^a=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT(;|$)/
  t.match(await lineOf(t, session, 'clear'), gone)
})

test('over https a __Host- cookie is cleared with Secure', async (t) => {
  const line = await lineOf(t, { ...session, COOKIE_NAME: '__Host-a', https: true }, 'clear')
  t.match(line, /^__Host-a=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure/)
})

test('a signed value verifies and is returned', async (t) => {
  const fastify = await build(t)
  t.match(fastify.unsignCookie(fastify.signCookie('session-1')), { valid: true, value: 'session-1' })
})

test('an altered, cut or foreign value does not verify', async (t) => {
  const fastify = await build(t)
  const other = await build(t, [second])
  const signed = fastify.signCookie('session-1')
  const [value = '', signature = ''] = signed.split('.')
  for (const forged of [
    '', '.', value, `${value}.`, `.${signature}`, `session-2.${signature}`, `${value}.${signature.slice(1)}`,
    `${value}.${signature}x`, `${value}x.${signature}`, `s:${signed}`, other.signCookie('session-1')
  ]) {
    t.match(fastify.unsignCookie(forged), { valid: false, value: null }, forged)
  }
})

test('the first secret signs and every secret verifies', async (t) => {
  const before = await build(t, [first])
  const rotated = await build(t, [second, first])
  const after = await build(t, [second])

  t.match(rotated.unsignCookie(before.signCookie('session-1')), { valid: true, value: 'session-1' })
  t.equal(rotated.signCookie('session-1'), after.signCookie('session-1'))
  t.match(after.unsignCookie(before.signCookie('session-1')), { valid: false })
})
