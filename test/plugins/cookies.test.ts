import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import cookies from '../../plugins/cookies.js'

const first = 'first secret of a test and nothing else'
const second = 'other secret of a test and nothing else'

async function build (t: Test, SESSION_SECRET: string[] = [first], SESSION_TTL = 900, PUBLIC_URL = 'http://localhost:3000') {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(fp(async (app) => { app.decorate('config', { SESSION_SECRET, SESSION_TTL, PUBLIC_URL } as never) }, { name: 'config' }))
  await fastify.register(cookies)
  return fastify
}

test('cookies are parsed', async (t) => {
  const fastify = await build(t)
  fastify.get('/', async (request) => request.cookies)
  t.same((await fastify.inject({ url: '/', headers: { cookie: 'a=1; b=two%20words; c=%zz' } })).json(), { a: '1', b: 'two words', c: '%zz' })
})

test('every cookie has a Max-Age, the idle lifetime of a session', async (t) => {
  const fastify = await build(t, [first], 600)
  fastify.get('/', async (_request, reply) => reply.setCookie('a', '1', { path: '/', expires: new Date(0) }).send('x'))
  t.match((await fastify.inject('/')).headers['set-cookie'], /; Max-Age=600;/)
})

test('a cookie that says how long it lives is believed', async (t) => {
  const fastify = await build(t)
  fastify.get('/', async (_request, reply) => reply.setCookie('a', '1', { maxAge: 5 }).send('x'))
  t.match((await fastify.inject('/')).headers['set-cookie'], /^a=1; Max-Age=5(;|$)/)
})

test('a cookie that is cleared is gone at once', async (t) => {
  const fastify = await build(t)
  fastify.get('/', async (_request, reply) => reply.clearCookie('a', { path: '/' }).send('x'))
  t.match((await fastify.inject('/')).headers['set-cookie'], /^a=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT(;|$)/)
})

test('over https a __Host- cookie is cleared with Secure, without which browsers keep it', async (t) => {
  const fastify = await build(t, [first], 900, 'https://auth.example.com')
  fastify.get('/', async (_request, reply) => reply.clearCookie('__Host-a', { path: '/' }).send('x'))
  t.match((await fastify.inject('/')).headers['set-cookie'], /^__Host-a=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure/)
})

test('what was signed is valid, and is given back', async (t) => {
  const fastify = await build(t)
  t.match(fastify.unsignCookie(fastify.signCookie('session-1')), { valid: true, value: 'session-1' })
})

test('what was changed, cut or signed by another is not valid', async (t) => {
  const fastify = await build(t)
  const other = await build(t, [second])
  const signed = fastify.signCookie('session-1')
  const [value = '', signature = ''] = signed.split('.')
  for (const forged of ['', '.', value, `${value}.`, `.${signature}`, `session-2.${signature}`, `${value}.${signature.slice(1)}`, `${value}.${signature}x`, `${value}x.${signature}`, `s:${signed}`, other.signCookie('session-1')]) {
    t.match(fastify.unsignCookie(forged), { valid: false, value: null }, forged)
  }
})

test('the first secret signs, all of them verify', async (t) => {
  const before = await build(t, [first])
  const rotated = await build(t, [second, first])
  const after = await build(t, [second])

  t.match(rotated.unsignCookie(before.signCookie('session-1')), { valid: true, value: 'session-1' })
  t.equal(rotated.signCookie('session-1'), after.signCookie('session-1'))
  t.match(after.unsignCookie(before.signCookie('session-1')), { valid: false })
})
