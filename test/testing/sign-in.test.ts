import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { test } from 'tap'
import { signIn } from '../../testing/index.js'
import { browser, signIn as signInAtProvider } from '../support/browser.js'
import { moduleUrl, nodeOptions, root } from '../support/root.js'
import { rows, sharedServer } from '../support/server.js'

const run = promisify(execFile)
const entry = fileURLToPath(moduleUrl('../../testing/index', import.meta.url))

const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/admin', { preHandler: fastify.requireRole('ADMIN') }, async () => 'in')
  fastify.get('/transfer', { preHandler: fastify.requireRecentSignIn(300) }, async () => 'in')
  fastify.get('/basket', async (request) => {
    const session = request.session as unknown as { basket?: number }
    session.basket = (session.basket ?? 0) + 1
    return { basket: session.basket }
  })
  fastify.get('/access-token', async (request) => request.accessToken())
}

const setUp = () => sharedServer({}, routes)

const alice = { sub: 'alice-1', roles: ['INVESTOR'] }

async function ask (app: FastifyInstance, url: string, headers: Record<string, string>) {
  const response = await app.inject({ url, headers })
  return { status: response.statusCode, body: response.body }
}

test('signIn gives a session that GET /api/auth/me tells', async (t) => {
  const { fastify: app } = await setUp()
  const authTime = Math.floor(Date.now() / 1000) - 60
  const { headers } = await signIn(app, {
    sub: 'alice-1',
    roles: ['ADMIN', 'INVESTOR'],
    role: 'INVESTOR',
    email: 'alice@example.com',
    claims: { 'name': 'Alice', 'custom:company': 'Acme' },
    authTime
  })

  const me = await app.inject({ url: '/api/auth/me', headers })

  t.equal(me.statusCode, 200)
  t.match(me.json(), {
    user: {
      'sub': 'alice-1', 'email': 'alice@example.com', 'emailVerified': true, 'name': 'Alice', 'custom:company': 'Acme'
    },
    role: 'INVESTOR',
    roles: ['INVESTOR', 'ADMIN'],
    authTime: new Date(authTime * 1000).toISOString(),
    expiresInSeconds: /^(899|900)$/,
    absoluteExpiresInSeconds: /^(43199|43200)$/
  })
})

test('The row of signIn is that of a real sign-in, without the tokens of a provider', async (t) => {
  const setup = await setUp()
  await signInAtProvider(browser(), setup.url)
  const [real] = await rows(setup)
  await setup.database.query('DELETE FROM session')
  const { user: { sub, email, emailVerified: _verified, ...claims } } = real?.sess as { user: Record<string, string> }
  await signIn(setup.fastify, { sub: sub ?? '', roles: ['INVESTOR', 'ISSUER'], email: email ?? '', claims })
  const [made] = await rows(setup)

  t.match(made?.sid, /^h1\./)
  t.same(shape(made?.sess), shape(real?.sess))
  t.same(made?.sess.user, real?.sess.user)
})

/** The types of a session's members. */
function shape (session: Record<string, unknown> = {}): object {
  // Nor is there a browser that could bind the session.
  const { refreshToken: _refresh, accessToken: _access, deviceBinding: _offer, ...rest } = session
  return Object.fromEntries(Object.entries(rest).sort().map(([key, value]) => {
    const members = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
    return [key, [typeof value, members.sort()]]
  }))
}

test('Guards judge a session of signIn by its roles and its time of sign-in', async (t) => {
  const { fastify: app } = await setUp()
  const now = Math.floor(Date.now() / 1000)
  const investor = await signIn(app, alice)
  const admin = await signIn(app, { sub: 'carol-1', roles: ['ADMIN'] })
  const early = await signIn(app, { ...alice, authTime: now - 3600 })

  t.match(await ask(app, '/admin', investor.headers), { status: 403 })
  t.match(await ask(app, '/admin', admin.headers), { status: 200 })
  t.match(await ask(app, '/transfer', admin.headers), { status: 200 })
  t.match(await ask(app, '/transfer', early.headers), { status: 401, body: /ERR_RECENT_SIGN_IN/ })
})

test('A session of signIn is written, extended and ended like any other', async (t) => {
  const setup = await setUp()
  const { fastify: app } = setup
  const { headers } = await signIn(app, alice)

  t.match(await ask(app, '/basket', headers), { body: '{"basket":1}' })
  t.match(await ask(app, '/basket', headers), { body: '{"basket":2}' })
  t.equal((await app.cashsoukAuth.sessionStore.listByUser('alice-1')).length, 1)
  const post = async (url: string) => app.inject({ method: 'POST', url, headers })
  t.equal((await post('/api/auth/extend')).statusCode, 200)
  t.equal((await post('/api/auth/logout')).statusCode, 303)
  t.same(await rows(setup), [])
  t.match(await ask(app, '/api/auth/me', headers), { status: 401 })
})

test('A session of signIn has no access token', async (t) => {
  const { fastify: app } = await setUp()
  const { headers } = await signIn(app, alice)
  t.match(await ask(app, '/access-token', headers), { status: 401 })
})

test('The cookie of signIn is the one in its headers, and fetch can send it', async (t) => {
  const { fastify: app, url } = await setUp()
  const { cookie: { name, value }, headers } = await signIn(app, alice)
  t.same(headers, { cookie: `${name}=${value}`, origin: url })
  t.equal((await fetch(`${url}/api/auth/me`, { headers })).status, 200)
})

test('storageState has the attributes of the session cookie', async (t) => {
  const { fastify: app } = await setUp()
  const { storageState, cookie } = await signIn(app, alice)
  const soon = Date.now() / 1000 + 900
  t.match(storageState, {
    cookies: [{ ...cookie, domain: 'localhost', path: '/', httpOnly: true, secure: false, sameSite: 'Lax' }],
    origins: []
  })
  t.ok(Math.abs((storageState.cookies[0]?.expires ?? 0) - soon) < 10)
})

test('storageState is for PUBLIC_URL and COOKIE_DOMAIN', async (t) => {
  const overrides = { PUBLIC_URL: 'https://auth.example.com', COOKIE_DOMAIN: 'example.com' }
  const { fastify: app } = await sharedServer(overrides)
  const { storageState } = await signIn(app, alice)
  t.match(storageState, { cookies: [{ domain: '.example.com', secure: true }] })
})

test('signIn refuses roles that the application does not have', async (t) => {
  const { fastify: app } = await setUp()
  for (const [options, message] of [
    [{ sub: 'x', roles: ['BOSS'] }, /BOSS is not one of ROLES \(INVESTOR, ISSUER, ADMIN\)/],
    [{ sub: 'x', roles: [] }, /roles must have one role/],
    [{ sub: 'x', roles: ['INVESTOR'], role: 'ADMIN' }, /the role ADMIN is not one of the roles/],
    [{ sub: '', roles: ['INVESTOR'] }, /sub must be a text/],
    [{ sub: 'x' } as never, /roles must be an array/],
    [{ sub: 'x', roles: 'INVESTOR' } as never, /roles must be an array/]
  ] as const) {
    await t.rejects(signIn(app, options), { name: 'TypeError', message })
  }
})

test('signIn refuses options that do not exist, and names those that do', async (t) => {
  const { fastify: app } = await setUp()
  const known = /the names are sub, roles, role, email, claims, authTime$/
  for (const [options, message] of [
    [{ ...alice, rolse: ['ADMIN'] }, /^signIn: the options cannot have rolse: /],
    [{ ...alice, constructor: 1 }, /^signIn: the options cannot have constructor: /],
    [{ sub: 'x', role: ['ADMIN'], rolse: ['ADMIN'] }, /^signIn: the options cannot have rolse: /]
  ] as const) {
    const error = await signIn(app, options as never).then(() => undefined, (refused: unknown) => refused as Error)
    t.type(error, TypeError)
    t.match(error?.message, message)
    t.match(error?.message, known)
  }
  await t.rejects(signIn(app, undefined as never), { name: 'TypeError', message: /^signIn: the options must be an/ })
  await signIn(app, { ...alice, role: undefined, email: undefined, claims: undefined, authTime: undefined })
})

test('signIn refuses an instance without cashsouk-auth', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(signIn(app, alice), { name: 'TypeError', message: /cashsouk-auth is not registered/ })
})

for (const [system, script] of [
  ['import', `import(${JSON.stringify(moduleUrl('../../testing/index', import.meta.url).href)})`],
  ['require', `Promise.resolve().then(() => require(${JSON.stringify(entry)}))`]
] as const) {
  test(`${system} of the test kit fails with NODE_ENV=production`, async (t) => {
    const print = `${script}.then(Object.keys, (error) => error.message)` +
      '.then((seen) => { console.log(JSON.stringify(seen)) })'
    const started = (NODE_ENV: string) => run(process.execPath, [...nodeOptions, '-e', print], {
      env: { PATH: process.env.PATH, NODE_ENV }
    })

    t.match((await started('production')).stdout, /does not load with NODE_ENV=production/)
    t.match((await started('test')).stdout, /"signIn","startCognito"/)
  })
}

test('The server imports nothing of the test kit', async (t) => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/serve.ts'],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    write: false,
    metafile: true
  })
  const inputs = Object.keys(metafile.inputs)
  t.ok(inputs.includes('src/app.ts'))
  t.same(inputs.filter((path) => /^(testing|local)\//.test(path)), [])
})

// Node.js 20.19 and 22.12 are the first to require an ES module.
test('The test kit can be required', async (t) => {
  t.equal(typeof (createRequire(import.meta.url)(entry) as { signIn: unknown }).signIn, 'function')
})
