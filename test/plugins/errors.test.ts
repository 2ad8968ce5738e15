import createError from '@fastify/error'
import Fastify, { type FastifyInstance, type RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import databaseHealth from '../../plugins/database-health.js'
import errors from '../../plugins/errors.js'
import notFound from '../../plugins/not-found.js'
import pages from '../../plugins/pages.js'
import { ERR_DATABASE, ERR_DRAINING, ERR_FOREIGN_ORIGIN, ERR_ROLE_NOT_GRANTED } from '../../src/errors.js'

interface Setup { fastify: FastifyInstance, log: Record<string, unknown>[] }

const config = {
  PUBLIC_URL: 'https://auth.example.com',
  COOKIE_NAME: 'sid',
  https: true,
  ROLE_LABELS: ['ADMIN=Back office'],
  LOGOUT_URLS: ['https://www.example.com/bye']
}

/** The plugin, and a route at `/` that throws what is given. */
async function build (t: Test, thrown?: unknown, options: RouteShorthandOptions = {}): Promise<Setup> {
  const log: Record<string, unknown>[] = []
  const loggerInstance = pino(
    { level: 'trace' },
    { write: (line: string) => { log.push(JSON.parse(line) as Record<string, unknown>) } }
  )
  const fastify = Fastify({ loggerInstance, genReqId: () => 'request-1' }) as unknown as FastifyInstance
  t.teardown(() => fastify.close())
  await fastify.register(fp(async (app) => { app.decorate('config', config as never) }, { name: 'config' }))
  await fastify.register(databaseHealth)
  await fastify.register(pages)
  await fastify.register(errors)
  await fastify.register(notFound)
  fastify.decorateRequest('loginRecovery', null)
  fastify.get('/', options, async () => { throw thrown })
  return { fastify, log }
}

const html = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }
const page = { config: { page: true } } as const

test('a known error answers its status, code, message and request id', async (t) => {
  const { fastify } = await build(t, new ERR_ROLE_NOT_GRANTED('ADMIN'))

  const reply = await fastify.inject('/')

  t.equal(reply.statusCode, 403)
  t.match(reply.headers['content-type'], /^application\/json/)
  t.same(reply.json(), {
    statusCode: 403,
    code: 'ERR_ROLE_NOT_GRANTED',
    message: 'Your account does not have the role ADMIN',
    requestId: 'request-1'
  })
})

test('a known 5xx error has its code and the standard phrase', async (t) => {
  const { fastify } = await build(t, new ERR_DATABASE({ cause: new Error('connect ECONNREFUSED 10.0.0.9:5432') }))
  t.same(
    (await fastify.inject('/')).json(),
    { statusCode: 503, code: 'ERR_DATABASE', message: 'Service Unavailable', requestId: 'request-1' }
  )
})

const inside = 'hidden: relation "session" at 10.0.0.9'
const raw = (properties: object) => Object.assign(new Error(inside), properties)

for (const [what, thrown] of [
  ['a plain error', new Error(inside)],
  ['a TypeError', new TypeError(inside)],
  ['a refused connection', raw({ code: 'ECONNREFUSED', errno: -111, syscall: 'connect', address: '10.0.0.9' })],
  ['a missing socket', raw({ code: 'ENOENT' })],
  [
    'a unique violation of PostgreSQL',
    raw({ code: '23505', severity: 'ERROR', detail: 'Key (sid)=(hidden) already exists.', table: 'session' })
  ],
  ['a stopped PostgreSQL', raw({ code: '57P01' })],
  ['an error of Node.js', raw({ code: 'ERR_INVALID_ARG_TYPE' })],
  ['an error of jose', raw({ code: 'ERR_JWS_INVALID', claims: 'hidden' })],
  ['an error with another 5xx', raw({ statusCode: 502 })],
  ['a 5xx of a plugin', new (createError('FST_ERR_EXAMPLE', inside, 500))()],
  ['an error whose status is no error', raw({ statusCode: 200 })],
  ['an error whose status is a text', raw({ statusCode: '404' })],
  ['an error whose status does not exist', raw({ statusCode: 1000 })],
  ['an error with a numeric code', raw({ code: 42 })],
  ['a time-out of the platform, whose code is a number', new DOMException(inside, 'TimeoutError')],
  ['an abort of the platform', new DOMException(inside, 'AbortError')],
  ['a text', inside],
  ['an object that is not an error', { message: inside }],
  ['an error with a cause', new Error('outer', { cause: new Error(inside) })]
] as const) {
  test(`${what} answers ERR_INTERNAL without internal details`, async (t) => {
    const { fastify, log } = await build(t, thrown)

    const reply = await fastify.inject('/')

    t.equal(reply.statusCode, 500)
    t.same(
      reply.json(),
      { statusCode: 500, code: 'ERR_INTERNAL', message: 'Internal Server Error', requestId: 'request-1' }
    )
    t.match(
      log.filter(({ level }) => level === 50),
      [{ code: 'ERR_INTERNAL', statusCode: 500, reqId: 'request-1', msg: 'Request failed' }]
    )
  })
}

test('a thrown null answers ERR_INTERNAL', async (t) => {
  const { fastify } = await build(t, null)
  t.match(
    (await fastify.inject('/')).json(),
    { statusCode: 500, code: 'ERR_INTERNAL', message: 'Internal Server Error', requestId: 'request-1' }
  )
})

test('the log never contains a URL with its query', async (t) => {
  for (const thrown of [new Error(inside), new DOMException(inside, 'TimeoutError'), null, 'text']) {
    const { fastify, log } = await build(t, thrown)
    await fastify.inject('/?code=secret-code&state=secret-state')
    t.notMatch(JSON.stringify(log.filter(({ msg }) => msg !== 'incoming request')), /secret/)
  }
})

test('an error thrown by a hook answers ERR_INTERNAL', async (t) => {
  const { fastify } = await build(t)
  fastify.get('/hook', { onRequest: async () => { throw new Error(inside) } }, async () => 'x')
  t.same(
    (await fastify.inject('/hook')).json(),
    { statusCode: 500, code: 'ERR_INTERNAL', message: 'Internal Server Error', requestId: 'request-1' }
  )
})

test('a schema violation answers 400 ERR_VALIDATION and names the field', async (t) => {
  const { fastify } = await build(
    t,
    undefined,
    { schema: { querystring: { type: 'object', properties: { role: { type: 'string', maxLength: 4 } } } } }
  )
  const reply = await fastify.inject('/?role=INVESTOR')
  t.equal(reply.statusCode, 400)
  t.match(
    reply.json(),
    { statusCode: 400, code: 'ERR_VALIDATION', message: /^Invalid request: .*role/, requestId: 'request-1' }
  )
})

test('a 4xx of Fastify keeps its status, code and message', async (t) => {
  const { fastify } = await build(t)
  fastify.post('/', async () => 'x')
  for (const [headers, payload, statusCode, code] of [
    [{ 'content-type': 'application/json' }, '{"a":', 400, /./],
    [{ 'content-type': 'application/x-unknown' }, 'x', 415, 'FST_ERR_CTP_INVALID_MEDIA_TYPE'],
    [{ 'content-type': 'application/json' }, JSON.stringify('x'.repeat(2_000_000)), 413, 'FST_ERR_CTP_BODY_TOO_LARGE']
  ] as const) {
    const reply = await fastify.inject({ method: 'POST', url: '/', headers, payload })
    t.equal(reply.statusCode, statusCode)
    t.match(reply.json(), { statusCode, code, message: String, requestId: 'request-1' })
    t.same(Object.keys(reply.json<object>()), ['statusCode', 'code', 'message', 'requestId'])
  }
})

test('a 4xx without a code gets ERR_VALIDATION', async (t) => {
  const { fastify } = await build(t, Object.assign(new Error('Too odd'), { statusCode: 422 }))
  t.match((await fastify.inject('/')).json(), { statusCode: 422, code: 'ERR_VALIDATION', message: 'Too odd' })
})

for (const request of [
  { url: '/nowhere' }, { url: '/nowhere?code=secret' }, { url: '/', method: 'POST' as const },
  { url: '/', method: 'DELETE' as const }, { url: '/nowhere', headers: html }
]) {
  const by = request.headers === undefined ? '' : 'by a browser '
  test(`${request.method ?? 'GET'} ${request.url} ${by}is 404 ERR_NOT_FOUND, as JSON`, async (t) => {
    const { fastify } = await build(t)
    const reply = await fastify.inject(request)
    t.equal(reply.statusCode, 404)
    t.match(reply.headers['content-type'], /^application\/json/)
    t.same(reply.json(), { statusCode: 404, code: 'ERR_NOT_FOUND', message: 'Not found', requestId: 'request-1' })
  })
}

test('a browser gets an HTML page on a page route', async (t) => {
  const { fastify } = await build(t, new ERR_ROLE_NOT_GRANTED('<b>ADMIN</b>'), page)

  const reply = await fastify.inject({ url: '/', headers: html })

  t.equal(reply.statusCode, 403)
  t.equal(reply.headers['content-type'], 'text/html; charset=utf-8')
  t.match(reply.body, /^<!doctype html>/)
  t.match(reply.body, /ERR_ROLE_NOT_GRANTED/)
  t.match(reply.body, /request-1/)
  t.match(reply.body, /href="\/api\/auth\/login"/)
  t.notMatch(reply.body, /<b>/)
})

test('the page of a 5xx shows no internal details', async (t) => {
  const { fastify } = await build(t, raw({ code: '23505' }), page)
  const { statusCode, body } = await fastify.inject({ url: '/', headers: html })
  t.equal(statusCode, 500)
  t.match(body, /<h1>Something went wrong<\/h1>/)
  t.match(body, />Internal Server Error</)
  t.match(body, /ERR_INTERNAL/)
  t.notMatch(body, /hidden|23505|10\.0\.0\.9/)
})

test('the page links to the login URL of the route', async (t) => {
  const { fastify } = await build(t)
  fastify.get('/retry', page, async (request) => {
    request.loginRecovery = { retryUrl: '/api/auth/login?role=ADMIN' }
    throw new ERR_ROLE_NOT_GRANTED('ADMIN')
  })
  const { body } = await fastify.inject({ url: '/retry', headers: html })
  const href = /href="([^"]*)">Sign in again</.exec(body)?.[1]?.replaceAll('&#61;', '=')
  t.equal(href, '/api/auth/login?role=ADMIN')
})

test('the page is in the language that the browser prefers, and says in which', async (t) => {
  const { fastify } = await build(t, new ERR_ROLE_NOT_GRANTED('ADMIN'), page)
  for (const [accepted, language, text] of [
    ['ms-MY,en;q=0.5', 'ms', /Akaun anda tidak mempunyai/], ['de', 'en', /Your account does not have/]
  ] as const) {
    const reply = await fastify.inject({ url: '/', headers: { ...html, 'accept-language': accepted } })
    t.equal(reply.headers['content-language'], language)
    t.match(reply.body, new RegExp(`<html lang="${language}">`))
    t.match(reply.body, text)
  }
  const script = await fastify.inject({ url: '/', headers: { 'accept-language': 'ms' } })
  t.match(script.json(), { message: 'Your account does not have the role ADMIN' }, 'the JSON stays in English')
})

test('the page knows the refused login: its role, its portal and a login with another account', async (t) => {
  const { fastify } = await build(t)
  fastify.get('/refused', page, async (request) => {
    const login = { requestedRole: 'ADMIN', returnTo: 'https://admin.example.com/users?all=1' }
    request.loginRecovery = { retryUrl: '/api/auth/login?role=ADMIN', login }
    throw new ERR_ROLE_NOT_GRANTED('ADMIN')
  })
  const { body } = await fastify.inject({ url: '/refused', headers: html })
  t.match(body, /does not have the role “Back office”/)
  t.match(body, /href="\/api\/auth\/login\?role&#61;ADMIN&#38;[^"]*prompt&#61;login">Use another account</)
  t.match(body, /href="https:\/\/admin\.example\.com\/">Back to the portal</)
})

test('the page of a login that returns to this server has no portal to go back to', async (t) => {
  for (const returnTo of ['/', '/offers', 'https://auth.example.com/offers']) {
    const { fastify } = await build(t)
    fastify.get('/refused', page, async (request) => {
      request.loginRecovery = { retryUrl: '/api/auth/login', login: { requestedRole: 'ADMIN', returnTo } }
      throw new ERR_ROLE_NOT_GRANTED('ADMIN')
    })
    const { body } = await fastify.inject({ url: '/refused', headers: html })
    t.match(body, /Use another account/)
    t.notMatch(body, /Back to the portal/)
  }
})

const signOut = { config: { page: 'sign-out' } } as const

test('a sign-out that another site asked for answers a page whose button signs out', async (t) => {
  const { fastify } = await build(t, new ERR_FOREIGN_ORIGIN(), signOut)
  const bodyOf = async (url: string) => {
    const reply = await fastify.inject({ url, headers: html })
    t.equal(reply.statusCode, 403)
    return reply.body
  }
  const body = await bodyOf('/')
  t.match(body, /<form method="post" action="\/api\/auth\/logout"><button>Sign out<\/button><\/form>/)
  t.match(body, /ERR_FOREIGN_ORIGIN/)
  t.match(body, /request-1/)
  t.notMatch(body, /Sign in again/)
  t.match(
    await bodyOf(`/?returnTo=${encodeURIComponent('https://www.example.com/bye')}`),
    /action="\/api\/auth\/logout\?returnTo&#61;https%3A%2F%2Fwww\.example\.com%2Fbye"/
  )
  t.match(await bodyOf('/?returnTo=https://evil.example/'), /action="\/api\/auth\/logout"/, 'registered ones only')
})

test('the page of a sign-out that failed offers to sign out', async (t) => {
  const { fastify } = await build(t, new ERR_DATABASE(), signOut)
  const { statusCode, body } = await fastify.inject({ url: '/', headers: html })
  t.equal(statusCode, 503)
  t.match(body, /<form method="post" action="\/api\/auth\/logout"><button>Sign out<\/button><\/form>/)
  t.match(body, /Sign in again/)
})

for (const [what, headers] of [
  ['without an Accept', {}],
  ['that accepts anything', { accept: '*/*' }],
  ['that accepts JSON', { accept: 'application/json' }]
] as const) {
  test(`a request ${what} gets JSON on a page route`, async (t) => {
    const { fastify } = await build(t, new ERR_ROLE_NOT_GRANTED('ADMIN'), page)
    const reply = await fastify.inject({ url: '/', headers })
    t.match(reply.headers['content-type'], /^application\/json/)
    t.match(reply.json(), { code: 'ERR_ROLE_NOT_GRANTED' })
  })
}

test('a browser gets JSON on any other route', async (t) => {
  const { fastify } = await build(t, new ERR_ROLE_NOT_GRANTED('ADMIN'))
  t.match((await fastify.inject({ url: '/', headers: html })).json(), { code: 'ERR_ROLE_NOT_GRANTED' })
})

test('the log has code, status and cause; a stack only if unexpected', async (t) => {
  const foreseen = await build(t, new ERR_DATABASE({ cause: new Error('no answer within 1000 ms') }))
  await foreseen.fastify.inject('/')
  const line = foreseen.log.find(({ msg }) => msg === 'Request failed')
  t.match(
    line,
    { level: 50, code: 'ERR_DATABASE', statusCode: 503, cause: 'no answer within 1000 ms', reqId: 'request-1' }
  )
  t.notOk(line !== undefined && 'stack' in line)

  const unforeseen = await build(t, new Error(inside))
  await unforeseen.fastify.inject('/')
  t.match(
    unforeseen.log.find(({ msg }) => msg === 'Request failed'),
    { level: 50, reason: inside, stack: /errors\.test\.ts/ }
  )
})

test('a 4xx is logged at info level', async (t) => {
  const { fastify, log } = await build(t, new ERR_ROLE_NOT_GRANTED('ADMIN'))
  await fastify.inject('/')
  t.match(log.find(({ msg }) => msg === 'Request failed'), { level: 30, code: 'ERR_ROLE_NOT_GRANTED' })
  t.notOk(log.some(({ level }) => Number(level) > 30))
})

test('ERR_DRAINING is logged at info level', async (t) => {
  const { fastify, log } = await build(t, new ERR_DRAINING())
  t.match((await fastify.inject('/')).json(), { statusCode: 503, code: 'ERR_DRAINING', message: 'Service Unavailable' })
  t.match(log.find(({ msg }) => msg === 'Request failed'), { level: 30, code: 'ERR_DRAINING' })
})
