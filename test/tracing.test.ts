import { join } from 'node:path'
import { test, type Test } from 'tap'
import { freePort } from '../local/free-port.js'
import { browser, reachCallback, signIn } from './support/browser.js'
import { cognito } from './support/cognito.js'
import { collector, type CollectedSpan, type Collector } from './support/collector.js'
import { database } from './support/database.js'
import { start } from './support/process.js'
import { root } from './support/root.js'
import { until } from './support/until.js'

/** What OTLP calls server, client and internal. */
const [INTERNAL, SERVER, CLIENT] = [1, 2, 3]

interface Traced {
  url: string
  spans: CollectedSpan[]
  collected: Collector
  /** Stops the server, which sends the rest. */
  stop: () => Promise<unknown>
}

/** The server as a process of its own, which sends its traces to a collector. */
async function traced (t: Test, overrides: Record<string, string> = {}): Promise<Traced> {
  const [db, collected, port] = [await database(t), await collector(t), await freePort()]
  const url = `http://localhost:${port}`
  const pool = await cognito(t, { callbackUrl: `${url}/api/auth/callback` })
  const server = start(t, process.execPath, [join(root, 'dist-test/src/server.js')], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      PUBLIC_URL: url,
      DATABASE_URL: db.url,
      SESSION_SECRET: 'a secret of a test and of nothing else',
      OTEL_EXPORTER_OTLP_ENDPOINT: collected.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      ...pool.env,
      ...overrides
    }
  })
  await server.seen(/ready on/)
  return { url, spans: collected.spans, collected, stop: () => server.stop() }
}

const named = (spans: CollectedSpan[], name: string) => spans.filter((span) => span.name === name)
const childrenOf = (spans: CollectedSpan[], { spanId }: CollectedSpan) =>
  spans.filter(({ parentSpanId }) => parentSpanId === spanId)

test('A login is one trace, and its attributes hold nothing that signs in', async (t) => {
  const { url, spans, collected, stop } = await traced(t)
  const user = browser()
  const { callbackUrl } = await signIn(user, url)
  await user.post(`${url}/api/auth/logout`, {}, { headers: { origin: url }, redirect: 'manual' })
  await stop()

  const [login] = named(spans, 'GET /api/auth/login')
  const [callback] = named(spans, 'GET /api/auth/callback')
  if (login === undefined || callback === undefined) throw new Error('no spans')
  t.equal(callback.traceId, login.traceId, 'one trace')
  t.equal(callback.parentSpanId, login.spanId)
  t.equal(callback.kind, SERVER)
  t.match(callback.attributes, {
    'http.request.method': 'GET', 'http.route': '/api/auth/callback', 'url.path': '/api/auth/callback'
  })
  const work = childrenOf(spans, callback).map(({ name }) => name)
  for (const name of ['DELETE session', 'Cognito token', 'INSERT session']) {
    t.ok(work.includes(name), `${name}: ${work.join()}`)
  }
  const [logout] = named(spans, 'POST /api/auth/logout')
  t.ok(logout !== undefined && childrenOf(spans, logout).some(({ name }) => name === 'DELETE session'))

  const text = collected.received.map((one) => one.text).join('\n')
  const { searchParams } = new URL(callbackUrl)
  const secrets = [searchParams.get('code'), searchParams.get('state')?.slice(0, 20), 'alice', 'code=', 'state=']
  for (const secret of secrets) t.notMatch(text, secret ?? 'none')
  t.match(collected.resource, { 'service.name': 'cashsouk-auth', 'service.version': String })
})

test('A statement has the attributes of the conventions, and no values', async (t) => {
  const { url, spans, stop } = await traced(t)
  const user = browser()
  await signIn(user, url)
  await user.get(`${url}/api/auth/me`)
  await stop()

  const [me] = named(spans, 'GET /api/auth/me')
  const [statement] = childrenOf(spans, me as CollectedSpan)
  t.match(statement, {
    name: 'SELECT session',
    kind: CLIENT,
    attributes: {
      'db.system.name': 'postgresql',
      'db.namespace': String,
      'db.collection.name': 'session',
      'db.operation.name': 'SELECT',
      'db.query.summary': 'SELECT session',
      'server.address': '127.0.0.1'
    }
  })
  const texts = spans.map(({ attributes }) => attributes['db.query.text']).filter((text) => text !== undefined)
  t.ok(texts.length > 3)
  for (const text of texts) {
    t.match(text, /\$1/)
    t.notMatch(text, /h1\.|[0-9a-f]{8}-[0-9a-f]{4}/)
  }
})

test('The span of a batch links the requests in it, and each of them links the batch', async (t) => {
  const { url, spans, stop } = await traced(t)
  const user = browser()
  await signIn(user, url)
  await Promise.all(Array.from({ length: 30 }, () => user.get(`${url}/api/auth/me`)))
  await stop()

  const batches = spans.filter(({ attributes }) => Number(attributes['db.operation.batch.size']) > 1)
  t.ok(batches.length > 0)
  const requests = named(spans, 'GET /api/auth/me')
  t.equal(requests.length, 30)
  for (const batch of batches) {
    t.equal(batch.links.length, Number(batch.attributes['db.operation.batch.size']))
    t.notOk(batch.parentSpanId, 'a trace of its own')
    for (const { spanId } of batch.links) {
      const request = requests.find((one) => one.spanId === spanId)
      t.ok(request)
      const [child] = childrenOf(spans, request as CollectedSpan)
      t.match(child, { kind: INTERNAL, name: 'batch of SELECT session', links: [{ spanId: batch.spanId }] })
    }
  }
})

test('What a proxy sends as traceparent is the parent, and is linked by a callback', async (t) => {
  const { url, spans, stop } = await traced(t)
  const user = browser()
  const traceparent = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`
  const { callbackUrl } = await reachCallback(user, url)
  await user.get(callbackUrl, { redirect: 'manual', headers: { traceparent: traceparent('a') } })
  await user.get(`${url}/api/auth/me`, { headers: { traceparent: traceparent('b') } })
  await stop()

  const [callback] = named(spans, 'GET /api/auth/callback')
  t.equal(callback?.traceId, named(spans, 'GET /api/auth/login')[0]?.traceId)
  t.match(callback?.links, [{ traceId: 'a'.repeat(32), spanId: 'a'.repeat(16) }])
  t.match(named(spans, 'GET /api/auth/me'), [{ traceId: 'b'.repeat(32), parentSpanId: 'b'.repeat(16) }])
})

test('A failure is told by its code alone', async (t) => {
  const { url, spans, stop } = await traced(t)
  const user = browser()
  await user.get(`${url}/api/auth/callback?code=hidden&state=hidden`, { redirect: 'manual' })
  await user.get(`${url}/hidden/of-no-route?code=hidden`)
  await user.get(`${url}/api/auth/login?role=hidden`)
  await stop()
  t.notMatch(JSON.stringify(spans), /hidden/)
  t.match(named(spans, 'GET /api/auth/callback'), [{ attributes: { 'http.response.status_code': 400 } }])
})

test('By default traces are sent as protobuf', async (t) => {
  const { url, collected, stop } = await traced(t, { OTEL_EXPORTER_OTLP_PROTOCOL: '' })
  await browser().get(`${url}/api/auth/me`)
  await until(() => collected.received.length > 0)
  await stop()
  t.match(collected.received, [{ path: '/v1/traces', type: 'application/x-protobuf' }])
})

for (const [name, value, message] of [
  ['OTEL_TRACES_EXPORTER', 'zipkin', /OTEL_TRACES_EXPORTER must be otlp, console or none/],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', /OTEL_EXPORTER_OTLP_PROTOCOL must be http\/protobuf or http\/json/]
] as const) {
  test(`${name}=${value} is refused`, async (t) => {
    await t.rejects(traced(t, { [name]: value }), { message })
  })
}

for (const [name, value] of [
  ['OTEL_SDK_DISABLED', 'true'], ['OTEL_TRACES_EXPORTER', 'none'], ['OTEL_EXPORTER_OTLP_ENDPOINT', '']
] as const) {
  test(`With ${name}=${value} nothing is traced`, async (t) => {
    const { url, collected, stop } = await traced(t, { [name]: value })
    await signIn(browser(), url)
    await stop()
    t.same(collected.received, [])
  })
}
