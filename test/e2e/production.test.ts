import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { Agent, request, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { limitOf } from '../support/patience.js'
import { start } from '../support/process.js'
import { root } from '../support/root.js'
import { slowProxy } from '../support/slow-proxy.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'

/** A complete production environment for a server on loopback, without a Cognito. */
async function environment (databaseUrl: string): Promise<NodeJS.ProcessEnv & { PUBLIC_URL: string }> {
  const port = await freePort()
  return {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: String(port),
    PUBLIC_URL: `http://localhost:${port}`,
    DATABASE_URL: databaseUrl,
    SESSION_SECRET: 'a secret of a test and of nothing else',
    COGNITO_USER_POOL_ID: 'eu-west-1_Example00',
    COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
    COGNITO_CLIENT_ID: 'example',
    COGNITO_CLIENT_SECRET: 'example-secret'
  }
}

const serve = (t: Test, env: NodeJS.ProcessEnv, cwd = root) =>
  start(t, process.execPath, ['dist/src/server.js'], { cwd, env })
/** The number of the server's database connections. */
async function connections (url: string): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  const { rowCount } = await client.query(
    'SELECT FROM pg_stat_activity WHERE application_name = $1',
    ['cashsouk-auth']
  )
  await client.end()
  return rowCount ?? 0
}

const agent = new Agent({ keepAlive: true })

/** Not with `fetch`, which says `Sec-Fetch-Mode: cors`. Only the server closes a connection. */
async function get (url: string): Promise<Response> {
  const sent = request(url, { agent, signal: AbortSignal.timeout(5000) }).end()
  const [answer] = await once(sent, 'response') as [IncomingMessage]
  const headers = Object.entries(answer.headersDistinct)
    .flatMap(([name, values = []]) => values.map((value): [string, string] => [name, value]))
  return new Response(await text(answer), { status: answer.statusCode ?? 0, headers })
}

test('Production exits with 1 and names all missing variables', async (t) => {
  const began = performance.now()

  const server = serve(t, { PATH: process.env.PATH, NODE_ENV: 'production' })
  const code = await server.ended

  t.equal(code, 1)
  t.ok(performance.now() - began < limitOf(2000))
  const lines = server.stderr().trim().split('\n')
  for (const name of [
    'PUBLIC_URL', 'DATABASE_URL', 'SESSION_SECRET', 'COGNITO_USER_POOL_ID', 'COGNITO_DOMAIN',
    'COGNITO_CLIENT_ID'
  ]) {
    t.equal(lines.filter((line) => line.startsWith(`${name} `)).length, 1, name)
  }
  t.notMatch(server.stderr(), /^\s+at /m, 'no stack trace')
  t.equal(server.stdout(), '')
})

test('The built server loads its libraries from the bundle, once', async (t) => {
  const hook = join(t.testdir({
    'hook.cjs': `
      const Module = require('node:module')
      const load = Module._load
      Module._load = function (name, parent, ...rest) {
        if (!Module.isBuiltin(name) && parent?.filename?.includes('/bundle/')) console.log('loaded a file: ' + name)
        return load.call(this, name, parent, ...rest)
      }
      Module.createRequire('${root}dist/bundle/none.js')('@fastify/error')`
  }), 'hook.cjs')
  const postgres = await stoppablePostgres(t)
  const env = await environment(postgres.url)

  const server = serve(t, { ...env, NODE_OPTIONS: `--require=${hook}` })
  await server.seen(/Server listening/)
  t.equal((await get(`${env.PUBLIC_URL}/health/live`)).status, 200)

  t.same(new Set(server.stdout().match(/loaded a file: .*/g)), new Set(['loaded a file: @fastify/error']))
})

for (const delayMs of [5, 60, 120, 200]) {
  test(`A signal while the database is awaited ends the process with 0, answers take ${delayMs} ms`, async (t) => {
    const postgres = await stoppablePostgres(t)
    const env = await environment(await slowProxy(t, postgres.url, delayMs))
    const server = serve(t, { ...env, DRAIN_SECONDS: '0' })
    await server.seen(/"Started"/)

    t.equal(await server.stop(), 0)
    t.equal(server.stderr(), '')
    t.notMatch(server.stdout(), /ready on/)
  })
}

test('A signal before the server listens ends it at once, and it does not begin to listen', async (t) => {
  const postgres = await stoppablePostgres(t)
  const env = await environment(await slowProxy(t, postgres.url, 400))
  const server = serve(t, env)
  await server.seen(/connection pool initialized/)
  await new Promise((resolve) => { setTimeout(resolve, 300) })
  const began = performance.now()

  t.equal(await server.stop(), 0)
  t.ok(performance.now() - began < limitOf(3000), 'it does not drain')
  t.notMatch(server.stdout(), /Server listening/)
  t.match(server.stdout(), /"Draining"[^]*"Stopped"/)
  t.equal(server.stderr(), '')
})

test('Production recovers if the database is down at the start', async (t) => {
  const postgres = await stoppablePostgres(t)
  const env = await environment(postgres.url)
  await postgres.stop()
  const began = performance.now()

  const server = serve(t, env)
  await server.seen(/Server listening/)

  const status = async (path: string) => (await get(env.PUBLIC_URL + path)).status
  t.equal(await status('/health/live'), 200)
  t.equal(await status('/health/ready'), 503)
  t.equal(await status('/api/auth/login'), 503)
  t.ok(performance.now() - began < limitOf(3000))

  await postgres.start()

  await server.seen(/"ready on http:\/\/localhost/)
  t.equal(await status('/health/ready'), 200)
  t.equal(await status('/api/auth/login'), 302)
})

test('Production survives outages of the database', async (t) => {
  const postgres = await stoppablePostgres(t)
  const env = await environment(postgres.url)
  const server = serve(t, env)
  await server.seen(/"ready on/)

  for (const [away, back] of [['kill', 'start'], ['freeze', 'thaw']] as const) {
    await postgres[away]()
    const refused = await get(`${env.PUBLIC_URL}/health/ready`)
    t.match(await refused.json(), { statusCode: 503, code: 'ERR_DATABASE' }, away)
    t.equal((await get(`${env.PUBLIC_URL}/health/live`)).status, 200)

    await postgres[back]()
    for (
      let attempt = 0;
      attempt < 50 && (await get(`${env.PUBLIC_URL}/api/auth/login`)).status !== 302;
      attempt++
    ) {
      await new Promise((resolve) => {
        setTimeout(resolve, 200)
      })
    }
    t.equal((await get(`${env.PUBLIC_URL}/api/auth/login`)).status, 302, back)
  }
})

test('SIGTERM drains, closes all connections and exits with 0', async (t) => {
  const postgres = await stoppablePostgres(t)
  const env = await environment(postgres.url)
  const server = serve(t, env)
  await server.seen(/"ready on/)
  const started = server.stdout().split('\n').find((line) => line.endsWith('"msg":"Started"}')) ?? '{}'
  t.match(JSON.parse(started), { version: /^\d/, table: 'session', schema: 'public', pool: 10, off: Array })
  await get(`${env.PUBLIC_URL}/api/auth/login`)
  t.ok(await connections(postgres.url) > 0)

  const ended = server.stop()
  await server.seen(/"Draining"/)
  const ready = await get(`${env.PUBLIC_URL}/health/ready`)
  const live = await get(`${env.PUBLIC_URL}/health/live`)
  const login = await get(`${env.PUBLIC_URL}/api/auth/login`)

  t.match(await ready.json(), { statusCode: 503, code: 'ERR_DRAINING' })
  t.equal(live.status, 503)
  t.equal(login.status, 302, 'it still serves')
  t.equal(login.headers.get('connection'), 'close')
  t.equal(await ended, 0)
  t.match(server.stdout(), /"Stopped"}\n$/)
  t.equal(await connections(postgres.url), 0)
})

/** A connection to the server on which nothing has been sent. */
async function connection (t: Test, { PORT }: NodeJS.ProcessEnv): Promise<Socket> {
  const socket = connect(Number(PORT), '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  await once(socket, 'connect')
  return socket
}

test('A connection without a request does not hold up the end', async (t) => {
  const postgres = await stoppablePostgres(t)
  const env: NodeJS.ProcessEnv = { ...await environment(postgres.url), DRAIN_SECONDS: '0' }
  const server = serve(t, env)
  await server.seen(/"ready on/)
  await connection(t, env)
  const began = performance.now()

  t.equal(await server.stop(), 0)
  t.ok(performance.now() - began < limitOf(2000))
})

test('A second signal ends the process at once, and says whether that cut requests', async (t) => {
  const postgres = await stoppablePostgres(t)
  for (const cut of [0, 1]) {
    const env: NodeJS.ProcessEnv = { ...await environment(postgres.url), DRAIN_SECONDS: '60' }
    const server = serve(t, env)
    await server.seen(/"ready on/)
    const socket = await connection(t, env)
    if (cut === 1) socket.write('POST /api/auth/logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n')
    void server.stop()
    await server.seen(/"seconds":60,"msg":"Draining"/)
    await new Promise((resolve) => { setTimeout(resolve, 200) })
    const began = performance.now()

    t.equal(await server.stop(), cut, 'the exit code')
    t.ok(performance.now() - began < limitOf(2000))
    t.match(server.stdout(), `"cut":${cut},"msg":"Stopping at once: this is the second signal"`)
  }
})

test('A connection is kept longer than a load balancer keeps it', async (t) => {
  const postgres = await stoppablePostgres(t)
  const env = await environment(postgres.url)
  await serve(t, env).seen(/"ready on/)

  const { headers } = await get(`${env.PUBLIC_URL}/health/live`)

  const [, seconds] = /^timeout=(\d+)$/.exec(headers.get('keep-alive') ?? '') ?? []
  t.ok(Number(seconds) > 60, headers.get('keep-alive') ?? 'no header')
})

test('Production needs no dev dependencies', async (t) => {
  const postgres = await stoppablePostgres(t)
  const dir = await mkdtemp(join(tmpdir(), 'cashsouk-auth-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  for (const path of [
    'package.json', 'package-lock.json', 'dist/index.js', 'dist/src', 'dist/bundle', 'dist/plugins', 'dist/routes'
  ]) {
    await cp(join(root, path), join(dir, path), { recursive: true })
  }
  const install = start(t, 'npm', [
    'ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'
  ], { cwd: dir })
  t.equal(await install.ended, 0, install.stderr())
  const env = await environment(postgres.url)

  const server = serve(t, env, dir)
  await server.seen(/"ready on/)

  t.equal((await get(`${env.PUBLIC_URL}/api/auth/login`)).status, 302)
  t.equal((await get(`${env.PUBLIC_URL}/`)).status, 200, 'the front page')
})
