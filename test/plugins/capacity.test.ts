import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyError, type FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import auth from '../../index.js'
import capacity from '../../plugins/capacity.js'
import { CallCount } from '../../src/sessions/call-count.js'
import { embedded } from '../support/embedded.js'
import { overload } from '../support/overload.js'
import { isEmbedded, server } from '../support/server.js'
import { until } from '../support/until.js'

const BROWSER = { accept: 'text/html' }

test('Beyond its capacity the server refuses at once, with 503 and Retry-After', async (t) => {
  const { url, fastify, database } = await server(t, { RETURN_ORIGINS: 'http://portal.localhost:1' })
  const end = overload(fastify)
  t.equal(fastify.hasDecorator('capacity'), false, 'an application sees nothing of it')

  for (const path of ['/api/auth/me', '/api/auth/verify', '/api/auth/login', '/']) {
    const answer = await fetch(url + path, { redirect: 'manual', headers: { origin: 'http://portal.localhost:1' } })
    t.match(await answer.json(), { statusCode: 503, code: 'ERR_OVERLOADED', requestId: /./ }, path)
    t.equal(answer.headers.get('retry-after'), '2', path)
    t.equal(answer.headers.get('cache-control'), 'no-store', path)
    if (path === '/api/auth/me') t.equal(answer.headers.get('access-control-allow-origin'), 'http://portal.localhost:1')
  }
  t.same(await database.query('SELECT FROM session'), [])

  end()
  t.equal((await fetch(`${url}/api/auth/me`)).status, 401)
})

test('Beyond its capacity a browser gets the error page, with a link to the same login', async (t) => {
  const { url, fastify } = await server(t)
  overload(fastify)

  const page = await fetch(`${url}/api/auth/login?role=ISSUER`, { headers: BROWSER })

  t.equal(page.status, 503)
  const html = await page.text()
  t.match(html, 'The service is very busy')
  t.match(html, 'href="/api/auth/login?role&#61;ISSUER"')
})

test('Health, the keys of assertions and unknown routes are answered whatever the load', async (t) => {
  const { url, fastify } = await server(t)
  overload(fastify)
  const statuses = []
  for (const path of ['/health', '/health/live', '/health/ready', '/.well-known/jwks.json', '/nowhere']) {
    statuses.push((await fetch(url + path)).status)
  }
  t.same(statuses, [200, 200, 200, 200, 404])
})

/** An application logs its requests itself; a server of its own never has these lines. */
const OF_FASTIFY = isEmbedded ? ['incoming request', 'request completed'] : []

test('An overload is two lines of the log, however many requests are refused', async (t) => {
  const { url, fastify, log } = await server(t, { LOG_LEVEL: 'info' })
  log.length = 0
  const end = overload(fastify)
  await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/api/auth/me`)))
  end()
  const own = () => log
    .map((line) => JSON.parse(line) as { msg: string })
    .filter(({ msg }) => !OF_FASTIFY.includes(msg))
  await until(() => own().length > 1, 5000)

  t.match(own(), [
    { level: 40, msg: 'Overloaded: requests are refused with 503', storeCalls: 1000 },
    { level: 30, msg: 'No longer overloaded', refused: 20 }
  ])
  t.equal(own().length, 2, log.join(''))
})

test('In an application, its own routes are not refused', async (t) => {
  const { app, url } = await embedded(t, {
    build: async (host, options) => {
      await host.register(auth, options)
      host.get('/own', async () => 'own')
    }
  })
  overload(app)

  t.equal((await fetch(`${url}/own`)).status, 200)
  t.equal((await fetch(`${url}/api/auth/me`)).status, 503)
})

/** The plugin alone. Requests to `/` wait for `release`. */
async function alone (t: Test) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const calls = new CallCount()
  await fastify.register(fp(async (app) => {
    app.decorateReply('sendError', function (this: FastifyReply, error: FastifyError) {
      return this.code(error.statusCode ?? 500).send({ code: error.code })
    } as never)
  }, { name: 'errors' }))
  await fastify.register(fp(async (app) => {
    app.decorate('sessionStore', { calls } as never)
  }, { name: 'session-store' }))
  await fastify.register(capacity)
  let release = () => {}
  const released = new Promise<void>((resolve) => { release = resolve })
  await fastify.register(async (scope) => {
    scope.capacity.limit(scope)
    scope.get('/', async () => {
      await released
      return 'x'
    })
  })
  await fastify.ready()
  /** Begins so many requests. */
  const ask = (count: number) => Array.from({ length: count }, async () => (await fastify.inject('/')).statusCode)
  t.teardown(() => { release() })
  return { fastify, calls, ask, release }
}

/** Keeps the event loop late for so long. */
async function late (ms: number): Promise<void> {
  const endMs = performance.now() + ms
  while (performance.now() < endMs) {
    const turnMs = performance.now() + 160
    while (performance.now() < turnMs);
    await sleep(1)
  }
}

test('While the event loop is late, 64 requests are worked on and more are refused', async (t) => {
  const { fastify, ask, release } = await alone(t)
  const admitted = ask(64)
  await late(1200)

  t.equal(fastify.capacity.isExceeded, true)
  for (let i = 0; i < 3; i++) t.equal((await fastify.inject('/')).statusCode, 503, 'a refused one makes no room')

  release()
  t.same(new Set(await Promise.all(admitted)), new Set([200]))
  t.equal((await fastify.inject('/')).statusCode, 200, 'as soon as one of them has been answered')
})

test('A few requests are answered however late the event loop is', async (t) => {
  const { fastify, ask } = await alone(t)
  void ask(63)
  await late(1000)
  t.equal(fastify.capacity.isExceeded, false)
})

test('A pause of the event loop refuses nothing that it can catch up with', async (t) => {
  const { fastify, ask } = await alone(t)
  void ask(64)
  await late(200)
  t.equal(fastify.capacity.isExceeded, false)
})

test('Short pauses of the event loop refuse nothing, while many requests wait for something else', async (t) => {
  const { fastify, ask } = await alone(t)
  void ask(128)
  for (let i = 0; i < 8; i++) {
    const endMs = performance.now() + 125
    while (performance.now() < endMs);
    await sleep(400)
    t.equal(fastify.capacity.isExceeded, false)
  }
})

/** Lets calls of the store end, each after `ms`, for so many samples: `atOnce` every 25 ms. */
async function slowCalls (calls: CallCount, ms: number, samples: number, atOnce = 1): Promise<void> {
  for (let i = 0; i < samples * 4; i++) {
    for (let n = 0; n < atOnce; n++) {
      calls.begin()
      calls.end(performance.now() - ms)
    }
    await sleep(25)
  }
}

test('Slow calls of the store are seen within 75 ms', async (t) => {
  const { fastify, calls } = await alone(t)
  for (let i = 0; i < 256; i++) calls.begin()
  for (let i = 0; i < 3; i++) {
    calls.begin()
    calls.end(performance.now() - 400)
    await sleep(25)
  }
  t.equal(fastify.capacity.isExceeded, true)
})

test('After an overload, what had been refused is let in little by little', async (t) => {
  const { fastify, calls } = await alone(t)
  for (let i = 0; i < 120; i++) calls.begin()
  await slowCalls(calls, 400, 10)
  t.equal(fastify.capacity.isExceeded, true)

  await slowCalls(calls, 10, 3, 40)
  t.equal(fastify.capacity.isExceeded, true, 'not all at once')
  await slowCalls(calls, 10, 9, 40)
  t.equal(fastify.capacity.isExceeded, false)
})

test('Calls that pile up are an overload before one of them has taken long', async (t) => {
  const { fastify, calls } = await alone(t)
  for (let i = 0; i < 160; i++) calls.begin()
  await slowCalls(calls, 50, 1, 40)
  t.equal(fastify.capacity.isExceeded, false, 'a further one would take 100 ms')

  await slowCalls(calls, 50, 1, 5)
  t.equal(fastify.capacity.isExceeded, true, 'a further one would take 800 ms')
})

test('While calls of the store are slow, 64 of them wait and more requests are refused', async (t) => {
  const { fastify, calls } = await alone(t)
  for (let i = 0; i < 64; i++) calls.begin()
  await slowCalls(calls, 100, 10)
  t.equal(fastify.capacity.isExceeded, false, 'they are fast enough')

  await slowCalls(calls, 400, 10)
  t.equal(fastify.capacity.isExceeded, true)

  await slowCalls(calls, 10, 3)
  t.equal(fastify.capacity.isExceeded, false, 'as soon as they are fast again')

  await slowCalls(calls, 400, 10)
  calls.end(performance.now())
  t.equal(fastify.capacity.isExceeded, false, 'a few slow calls are no overload')
})

test('A database that stops answering counts as slow as it was, until nothing waits for it', async (t) => {
  const { fastify, calls } = await alone(t)
  for (let i = 0; i < 64; i++) calls.begin()
  await slowCalls(calls, 400, 10)
  await sleep(500)
  t.equal(fastify.capacity.isExceeded, true, 'it has not answered')

  for (let i = 0; i < 64; i++) calls.end(performance.now() - 400)
  await sleep(500)
  for (let i = 0; i < 64; i++) calls.begin()
  t.equal(fastify.capacity.isExceeded, false, 'nothing was asked of it meanwhile')
})
