/**
 * The plugin in an application: what the application sees of it, and what it leaves alone.
 *
 * @module
 */
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import postgres from '@fastify/postgres'
import rateLimit from '@fastify/rate-limit'
import Fastify, {
  type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions
} from 'fastify'
import pg from 'pg'
import { test, type Test } from 'tap'
import auth, { type AuthOptions } from '../../index.js'
import { browser, signIn } from '../support/browser.js'
import { embedded } from '../support/embedded.js'

/** Enough to start. The database cannot be reached. */
const OPTIONS = {
  env: false,
  publicUrl: 'https://app.example.com',
  databaseUrl: 'postgres://user@127.0.0.1:1/none',
  sessionSecret: 'a secret of a test and of nothing else',
  cognitoIssuer: ['https://issuer.example'],
  cognitoDomain: 'https://issuer.example',
  cognitoClientId: 'client-of-a-test'
} satisfies AuthOptions

const PROMISED = {
  instance: ['cashsoukAuth', 'requireRecentSignIn', 'requireRole', 'requireSession'],
  request: ['accessToken', 'session', 'user']
}

async function build (t: Test, before?: (app: FastifyInstance) => Promise<void>, options?: FastifyServerOptions) {
  const app = Fastify(options) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await before?.(app)
  return app
}

/** The names of an object and of what it inherits. */
function namesOf (object: object): string[] {
  const names = new Set<string>()
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    for (const key of Object.getOwnPropertyNames(at)) names.add(key)
  }
  return [...names]
}

/** Everything about an application that its own code can see. */
async function seenOf (app: FastifyInstance) {
  let [request, reply]: [string[], string[]] = [[], []]
  app.get('/seen', async (asked: FastifyRequest, answer: FastifyReply) => {
    [request, reply] = [namesOf(asked), namesOf(answer)]
    return 'seen'
  })
  app.post('/seen', async () => 'seen')
  app.get('/fails', async () => { throw new Error('of the application') })
  app.get('/validated', { schema: { querystring: { type: 'object', required: ['a'] } } }, async () => 'valid')
  await app.ready()
  const answers = await Promise.all([
    '/seen', '/fails', '/nowhere', '/validated', '/health', '/'
  ].map(async (url) => app.inject({ url, headers: { accept: 'text/html', cookie: 'cashsouk.sid=s%3Aforged.x' } })))
  const xml = { 'content-type': 'text/xml' }
  answers.push(await app.inject({ method: 'POST', url: '/seen', headers: xml, payload: 'x' }))
  answers.push(await app.inject({ method: 'POST', url: '/seen', headers: { origin: 'https://evil.example' } }))
  answers.push(await app.inject({ method: 'OPTIONS', url: '/seen', headers: { origin: 'https://evil.example' } }))
  return {
    instance: namesOf(app),
    request,
    reply,
    routes: app.printRoutes({ commonPrefix: false }),
    parsers: ['application/json', 'text/plain', 'text/xml', '*'].map((type) => app.hasContentTypeParser(type)),
    answers: answers.map(({ statusCode, headers: { date: _date, ...headers }, body }) =>
      ({ statusCode, headers, body })),
    errorHandler: app.errorHandler,
    schemas: app.getSchemas(),
    prefix: app.prefix
  }
}

test('An application sees the promised decorators and the routes, and is otherwise as it was', async (t) => {
  const own = async (app: FastifyInstance) => { await app.register(cookie) }
  const before = await seenOf(await build(t, own))
  const after = await seenOf(await build(t, async (app) => {
    await own(app)
    await app.register(auth, { ...OPTIONS, returnOrigins: ['https://portal.example.com'] })
  }))

  const added = (key: 'instance' | 'request' | 'reply') =>
    after[key].filter((name) => !before[key].includes(name)).sort()
  t.same(added('instance'), PROMISED.instance)
  t.same(added('request'), PROMISED.request)
  t.same(added('reply'), [])
  const lines = (routes: string) => routes.split('\n').filter((line) => line !== '')
  const [known, found] = [lines(before.routes), lines(after.routes)]
  t.same(known.filter((line) => !found.some((other) => other.trim().endsWith(line.trim().replace(/^\W+/, '')))), [])
  t.notMatch(after.routes, /health/)
  t.match(after.routes, /\/api\/auth\/callback/)
  for (const key of ['parsers', 'answers', 'errorHandler', 'schemas', 'prefix'] as const) {
    t.same(after[key], before[key], key)
  }
})

test('Without @fastify/cookie, the application gets it, without a secret', async (t) => {
  const app = await build(t)
  await app.register(auth, OPTIONS)
  t.ok(app.hasReplyDecorator('setCookie'))
  t.notOk(app.hasDecorator('signCookie'))
})

test('A scope beside the plugin\'s has none of it', async (t) => {
  const app = await build(t)
  await app.register(async (scope) => { await scope.register(auth, OPTIONS) })
  await app.register(async (scope) => {
    t.same(PROMISED.instance.filter((name) => scope.hasDecorator(name)), [])
    t.same(PROMISED.request.filter((name) => scope.hasRequestDecorator(name)), [])
  })
  await app.ready()
})

test('The plugin names the decorators that are there already', async (t) => {
  const app = await build(t)
  await app.register(auth, OPTIONS)
  await t.rejects(async () => { await app.register(auth, OPTIONS) }, {
    code: 'ERR_CONFIG', message: /fastify\.cashsoukAuth, .*request\.session.* is there already/s
  })
  const other = await build(t)
  other.decorateRequest('user', null as never)
  await t.rejects(async () => { await other.register(auth, OPTIONS) }, { message: /request\.user is there already/ })
})

/** An application with what applications have, each in its own way. */
async function furnished (app: FastifyInstance, options: AuthOptions, database: string): Promise<void> {
  await app.register(cookie, {
    secret: 'a secret of the application', parseOptions: { signed: true, domain: 'localhost' }
  })
  await app.register(cors, { origin: ['https://portal.example.com'], credentials: true })
  await app.register(rateLimit, { max: 1000 })
  await app.register(postgres, { connectionString: database })
  // Connections that are still closing when the test's database is emptied.
  app.pg.pool.on('error', () => {})
  app.decorate('config' as 'prefix', 'of the application' as never)
  app.addHook('onSend', async (_request, reply) => { void reply.header('x-application', 'yes') })
  app.setValidatorCompiler(() => () => ({ error: new Error('of the application\'s validator') }))
  app.setSerializerCompiler(() => () => '"of the application"')
  app.setReplySerializer((payload) => `(${JSON.stringify(payload)})`)
  app.setSchemaErrorFormatter(() => new Error('of the application\'s formatter'))
  app.setErrorHandler(async (error, _request, reply) => {
    const { statusCode = 500, code, message, reason } = error as Error & Record<string, never>
    return reply.code(statusCode).type('text/plain').send(JSON.stringify({ own: true, code, message, reason }))
  })
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).type('text/plain').send('nowhere'))
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, body)
  })
  await app.register(auth, options)
  app.get('/private', { preHandler: app.requireSession }, async ({ user }, reply) =>
    reply.type('text/plain').send(String(user?.name)))
  app.get('/admin', { preHandler: app.requireRole('ADMIN') }, async () => 'admin')
  app.post('/private', { preHandler: app.requireSession }, async (_request, reply) =>
    reply.type('text/plain').send('did'))
  app.get('/throws', async () => { throw new Error('of the application') })
}

test('A sign-in works in an application that has its own of everything', async (t) => {
  let databaseUrl = ''
  const setup = await embedded(t, {
    build: async (app, options) => {
      databaseUrl = String(options.databaseUrl)
      await furnished(app, options, databaseUrl)
    }
  })
  const { url, app } = setup
  const user = browser()

  const guest = await user.get(`${url}/private`)
  t.same([guest.status, JSON.parse(guest.text)], [401, {
    own: true, code: 'ERR_UNAUTHENTICATED', message: 'Sign in first', reason: 'none'
  }])
  const { answer } = await signIn(user, url, { query: { returnTo: '/private', made_up: 'x' } })
  t.equal(answer.status, 303)
  t.match(user.cookie('cashsouk.sid'), {
    value: /^s(:|%3A)[\w-]+\.[\w%+/]+$/, hostOnly: true
  }, 'signed once, and not for another domain')
  t.equal((await user.get(`${url}/private`)).text, 'Alice Sample')
  const me = await user.get(`${url}/api/auth/me`)
  t.match(JSON.parse(me.text), { user: { name: 'Alice Sample' } })
  t.equal(me.headers.get('x-application'), 'yes', 'the application\'s hooks hold for the routes of the package')
  t.match(me.headers.get('content-security-policy'), /default-src 'none'/)
  t.match(JSON.parse((await user.get(`${url}/admin`)).text), { own: true, code: 'ERR_ROLE_NOT_GRANTED' })
  const wrong = await user.get(`${url}/api/auth/me?slide=maybe`)
  t.match([wrong.status, JSON.parse(wrong.text)], [400, { code: 'ERR_VALIDATION', message: /querystring\/slide/ }])
  t.equal((await user.get(`${url}/nowhere`)).text, 'nowhere')
  t.equal((await user.get(`${url}/nowhere`)).headers.get('content-security-policy'), null)
  t.match(JSON.parse((await user.get(`${url}/throws`)).text), { own: true, message: 'of the application' })
  t.equal(Reflect.get(app, 'config'), 'of the application')
  t.match(await app.pg.query('SELECT count(*)::int FROM session WHERE sess -> \'user\' IS NOT NULL'), {
    rows: [{ count: 1 }]
  }, 'app.pg is the application\'s own')

  const foreign = await user.post(`${url}/private`, {}, { headers: { origin: 'https://evil.example' } })
  t.match(JSON.parse(foreign.text), { code: 'ERR_FOREIGN_ORIGIN' })
  t.equal((await user.post(`${url}/private`, {}, { headers: { origin: url } })).text, 'did')

  t.equal((await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual', headers: { origin: url } })).status, 303)
  t.equal((await user.get(`${url}/private`)).status, 401)
})

test('The log of an application\'s requests has neither code nor state', async (t) => {
  const { url, log } = await embedded(t)
  const { callbackUrl } = await signIn(browser(), url)
  const { searchParams } = new URL(callbackUrl)
  const text = log.join('')
  t.match(text, /"url":"\/api\/auth\/callback"/)
  for (const name of ['code', 'state']) {
    t.ok((searchParams.get(name) ?? '') !== '', name)
    t.notOk(text.includes(String(searchParams.get(name))), name)
  }
})

test('A pool that the application gives is used, and stays open', async (t) => {
  let pool: pg.Pool | undefined
  const setup = await embedded(t, {
    build: async (app, { databaseUrl, ...options }) => {
      pool = new pg.Pool({ connectionString: String(databaseUrl) }).on('error', () => {})
      await app.register(auth, { ...options, pool })
    }
  })
  t.teardown(() => pool?.end())
  const user = browser()
  await signIn(user, setup.url)
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
  await setup.app.close()
  t.match(await pool?.query('SELECT 1 AS one'), { rows: [{ one: 1 }] })
})

for (const [what, fastify, path] of [
  ['an outer prefix', {}, '/portal/sign-in'],
  ['ignoreTrailingSlash and caseSensitive: false', {
    routerOptions: { ignoreTrailingSlash: true, caseSensitive: false }
  }, '/sign-in'],
  ['exposeHeadRoutes: false and return503OnClosing: false', {
    exposeHeadRoutes: false, return503OnClosing: false
  }, '/sign-in']
] as const) {
  test(`A sign-in works below another prefix, with ${what}`, async (t) => {
    const outer = path.slice(0, -'/sign-in'.length)
    const { url } = await embedded(t, {
      fastify,
      path,
      options: { prefix: '/sign-in', home: true },
      build: async (app, options) => {
        await app.register(async (scope) => { await scope.register(auth, options) }, { prefix: outer })
      }
    })
    const user = browser()
    const home = await user.get(`${url}${outer}/`)
    t.match(home.text, new RegExp(`href="${path}/login\\?role`))
    const login = await user.get(`${url}${path}/login?returnTo=${path}/x`, { redirect: 'manual' })
    t.match(login.headers.getSetCookie(), [new RegExp(`; Path=${path};`)])
    t.equal(new URL(login.location ?? '').searchParams.get('redirect_uri'), `${url}${path}/callback`)
    const looping = await user.get(`${url}${path}/login?returnTo=${path}/callback`, { redirect: 'manual' })
    t.equal(looping.status, 400, 'no login returns to the callback')
    const pressed = await user.submit(await user.get(login.location ?? ''), 'alice', { redirect: 'manual' })
    let answer = pressed
    while (answer.location?.startsWith(`${url}${path}/x`) === false) {
      answer = await user.get(answer.location, { redirect: 'manual' })
    }
    t.equal(answer.status, 303)
    t.equal(answer.location, `${url}${path}/x`)
    const lost = await user.get(`${url}${path}/callback?state=unknown&code=x`, { headers: { accept: 'text/html' } })
    t.match(lost.text, new RegExp(`${path}/login`))
    t.match((await user.get(`${url}${outer}/`)).text, new RegExp(`action="${path}/logout"`))
    t.equal((await user.get(`${url}${path}/me`)).status, 200)
    t.equal((await user.get(`${url}/api/auth/me`)).status, 404)
  })
}

test('A guard of the whole application leaves the sign-in open', async (t) => {
  const { url } = await embedded(t, {
    build: async (app, options) => {
      await app.register(auth, options)
      app.addHook('preHandler', app.requireSession)
      app.get('/', async ({ user }) => String(user?.name))
    }
  })
  const user = browser()
  t.equal((await user.get(`${url}/`)).status, 401)
  await signIn(user, url)
  t.equal((await user.get(`${url}/`)).text, 'Alice Sample')
})

test('A rate limit of the application counts the logins of the package by its own rule', async (t) => {
  const { url } = await embedded(t, {
    options: { loginRateLimit: 3 },
    build: async (app, options) => {
      await app.register(rateLimit, { max: 100 })
      await app.register(auth, options)
    }
  })
  const login = async () => {
    const { status, headers, text } = await browser().get(`${url}/api/auth/login`, { redirect: 'manual' })
    return [status, headers.get('x-ratelimit-limit'), /ERR_\w+/.exec(text)?.[0]]
  }
  t.match([await login(), await login(), await login(), await login()], [
    [302, '3'], [302, '3'], [302, '3'], [429, '3', 'ERR_RATE_LIMIT']
  ])
})

test('Draining is told by the health routes and closes connections of the package alone', async (t) => {
  const app = await build(t)
  await app.register(auth, { ...OPTIONS, health: true })
  app.get('/own', async () => 'own')
  app.cashsoukAuth.draining.start()
  const live = await app.inject('/health/live')
  t.match([live.statusCode, live.headers.connection], [503, 'close'])
  t.equal((await app.inject('/own')).headers.connection, 'keep-alive')
})

test('Two scopes of one application have the plugin, each with its own cookie', async (t) => {
  const app = await build(t)
  for (const name of ['one', 'two']) {
    await app.register(async (scope) => {
      await scope.register(auth, { ...OPTIONS, cookieName: `${name}.sid`, prefix: `/${name}/auth` })
    })
  }
  await app.ready()
  t.ok(['one', 'two'].every((name) => app.hasRoute({ method: 'GET', url: `/${name}/auth/me` })))
})
