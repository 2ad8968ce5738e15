import Fastify, { type InjectOptions } from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import origins from '../../plugins/origins.js'

const PUBLIC_URL = 'https://auth.example.com'
const portal = 'https://investor.example.com'
const evil = 'https://evil.example'

async function build (t: Test, RETURN_ORIGINS: string[] = [portal, 'http://localhost:5173']) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const config = { PUBLIC_URL, RETURN_ORIGINS, COOKIE_NAME: 'sid', https: true, prefix: '' }
  await fastify.register(fp(async (app) => { app.decorate('config', config as never) }, { name: 'config' }))
  await fastify.register(origins)
  fastify.route({ method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], url: '/', handler: async () => 'done' })
  return fastify
}

const corsOf = (headers: object) => Object.keys(headers).filter((name) => name.startsWith('access-control-'))

const requests: [what: string, headers: Record<string, string>, allowed: boolean][] = [
  ['without a browser', {}, true],
  ['without a browser, with another site\'s cookies', { cookie: 'theme=dark; sid2=x; xsid=y' }, true],
  ['with a session cookie, of unknown origin', { cookie: 'theme=dark; sid=x' }, false],
  ['with a login cookie, of unknown origin', { cookie: '__Host-sid.login.abc=x' }, false],
  ['with a session cookie, from a page of PUBLIC_URL', { origin: PUBLIC_URL, cookie: 'sid=x' }, true],
  ['with a session cookie, that the user sent directly', { 'sec-fetch-site': 'none', 'cookie': 'sid=x' }, true],
  ['that the user sent directly, from another site', { 'sec-fetch-site': 'none', 'origin': evil }, false],
  ['that claims the same origin and names another', { 'sec-fetch-site': 'same-origin', 'origin': evil }, false],
  ['from a page of PUBLIC_URL', { 'origin': PUBLIC_URL, 'sec-fetch-site': 'same-origin' }, true],
  ['from a page of PUBLIC_URL that hides its origin', { 'origin': 'null', 'sec-fetch-site': 'same-origin' }, true],
  ['from one of RETURN_ORIGINS', { 'origin': portal, 'sec-fetch-site': 'same-site' }, true],
  [
    'from one of RETURN_ORIGINS on another site',
    { 'origin': 'http://localhost:5173', 'sec-fetch-site': 'cross-site' },
    true
  ],
  ['from one of RETURN_ORIGINS in an old browser', { origin: portal }, true],
  ['from another site', { 'origin': evil, 'sec-fetch-site': 'cross-site' }, false],
  ['from another site in an old browser', { origin: evil }, false],
  [
    'from another host of the same site',
    { 'origin': 'https://blog.example.com', 'sec-fetch-site': 'same-site' },
    false
  ],
  ['from an opaque origin', { 'origin': 'null', 'sec-fetch-site': 'cross-site' }, false],
  ['from an opaque origin in an old browser', { origin: 'null' }, false],
  ['from another site that hides its origin', { 'sec-fetch-site': 'cross-site' }, false],
  ['from a look-alike of PUBLIC_URL', { origin: `${PUBLIC_URL}.evil.example` }, false],
  ['from PUBLIC_URL over http', { origin: 'http://auth.example.com' }, false]
]

for (const [what, headers, allowed] of requests) {
  test(`POST ${what} is ${allowed ? 'accepted' : 'refused with 403 ERR_FOREIGN_ORIGIN'}`, async (t) => {
    const reply = await (await build(t)).inject({ method: 'POST', url: '/', headers })
    if (allowed) t.same([reply.statusCode, reply.body], [200, 'done'])
    else t.match(reply.json(), { statusCode: 403, code: 'ERR_FOREIGN_ORIGIN' })
  })
}

for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
  test(`${method} from another site is refused`, async (t) => {
    const headers = { 'origin': evil, 'sec-fetch-site': 'cross-site' }
    const reply = await (await build(t)).inject({ method, url: '/', headers })
    t.equal(reply.statusCode, 403)
  })
}

test('POST from another site to an unknown path is refused too', async (t) => {
  const reply = await (await build(t)).inject({ method: 'POST', url: '/nowhere', headers: { origin: evil } })
  t.equal(reply.statusCode, 403)
})

for (const method of ['GET', 'HEAD'] as const) {
  test(`${method} from another site is accepted, but its page cannot read the response`, async (t) => {
    const headers = { 'origin': evil, 'sec-fetch-site': 'cross-site' }
    const reply = await (await build(t)).inject({ method, url: '/', headers })
    t.equal(reply.statusCode, 200)
    t.same(corsOf(reply.headers), [])
    t.match(reply.headers.vary, /Origin/)
  })
}

test('a page of one of RETURN_ORIGINS can read the response', async (t) => {
  const reply = await (await build(t)).inject({ url: '/', headers: { origin: portal } })
  t.match(reply.headers, {
    'access-control-allow-origin': portal, 'access-control-allow-credentials': 'true', 'vary': /Origin/
  })
})

const preflight = (origin: string, method = 'POST'): InjectOptions => ({
  method: 'OPTIONS',
  url: '/',
  headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'accept' }
})

for (const origin of [portal, 'http://localhost:5173']) {
  test(`the preflight of ${origin} lists what is allowed`, async (t) => {
    const reply = await (await build(t)).inject(preflight(origin))
    t.equal(reply.statusCode, 204)
    t.match(reply.headers, {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-max-age': '600',
      'vary': /Origin/
    })
  })
}

const otherOrigins = [
  evil, 'null', `${portal}.evil.example`, 'https://investor.example.com:8443', 'http://investor.example.com',
  'https://blog.example.com'
]

for (const origin of otherOrigins) {
  test(`the preflight of ${origin} allows nothing`, async (t) => {
    const reply = await (await build(t)).inject(preflight(origin))
    t.same(corsOf(reply.headers), [])
    t.match(reply.headers.vary, /Origin/)
  })
}

test('without RETURN_ORIGINS no page of another origin can read a response', async (t) => {
  const fastify = await build(t, [])
  for (const request of [preflight(portal), { url: '/', headers: { origin: portal } }]) {
    const { headers } = await fastify.inject(request)
    t.same(corsOf(headers), [])
  }
})

test('without RETURN_ORIGINS only pages of PUBLIC_URL may POST', async (t) => {
  const fastify = await build(t, [])
  t.equal((await fastify.inject({ method: 'POST', url: '/', headers: { origin: PUBLIC_URL } })).statusCode, 200)
  t.equal((await fastify.inject({ method: 'POST', url: '/', headers: { origin: portal } })).statusCode, 403)
})

test('only a page of one of RETURN_ORIGINS can read an error', async (t) => {
  const fastify = await build(t)
  fastify.get('/error', async () => { throw new Error('x') })
  const allowed = await fastify.inject({ url: '/error', headers: { origin: portal } })
  const refused = await fastify.inject({ url: '/error', headers: { origin: evil } })
  t.equal(allowed.headers['access-control-allow-origin'], portal)
  t.same(corsOf(refused.headers), [])
})

test('a portal on another site is named at the start, once', async (t) => {
  const lines: string[] = []
  const elsewhere = ['https://portal.example.org', 'http://localhost:5173']
  const config = { PUBLIC_URL, RETURN_ORIGINS: [portal, ...elsewhere], COOKIE_NAME: 'sid', https: true, prefix: '' }
  const fastify = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => fastify.close())
  await fastify.register(fp(async (app) => { app.decorate('config', config as never) }, { name: 'config' }))
  await fastify.register(origins)

  t.same(fastify.otherSites, elsewhere)
  t.match(lines.map((line) => JSON.parse(line) as unknown), [{
    level: 40, origins: elsewhere, msg: 'Portals on another site than PUBLIC_URL get no session: me is always 401'
  }])
  t.equal(lines.length, 1)
})

test('portals of the same site start without a warning', async (t) => {
  t.same((await build(t, [portal, 'https://example.com:8443'])).otherSites, [])
  t.same((await build(t, [])).otherSites, [])
})
