import { channel } from 'node:diagnostics_channel'
import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { test, t as file } from 'tap'
import { providerCall } from '../../../src/channels.js'
import { ERR_COGNITO_ANSWER } from '../../../src/errors.js'
import { proxyContext } from '../../../src/tracing/context.js'
import { databaseOf } from '../../../src/tracing/database.js'
import { continueLogin, traceServer } from '../../../src/tracing/index.js'

const LOGIN = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
const PROXY = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`
const PATH = '/api/auth/callback'

/** An application's own SDK. Tracers that are made before it is registered use the first one of a process. */
const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
provider.register()

const tracer = provider.getTracer('application')
const spans = () => exporter.getFinishedSpans()
file.beforeEach(() => { exporter.reset() })

test('A callback takes code and state out of the application\'s own span, and links the login', async (t) => {
  const query = 'code=hidden&state=hidden'
  const attributes = {
    'url.path': `${PATH}?${query}`,
    'url.query': query,
    'url.full': `https://app.example.com${PATH}?${query}`,
    'http.target': `${PATH}?${query}`,
    'http.url': `https://app.example.com${PATH}?${query}`
  }
  for (const traceparent of [LOGIN, undefined, 'malformed']) {
    const request = { headers: { traceparent: PROXY } }
    tracer.startActiveSpan('callback', { attributes }, (span) => {
      continueLogin(request, traceparent, PATH)
      span.end()
    })
    t.equal(request.headers.traceparent, PROXY)
  }
  t.equal(spans().length, 3)
  for (const span of spans()) t.notMatch(JSON.stringify(span.attributes), /hidden/)
  t.match(spans()[0]?.links, [{ context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) } }])
  t.same(spans().slice(1).map(({ links }) => links), [[], []])
})

test('Before its span begins, a callback continues the trace of its login alone', async (t) => {
  const request = { headers: { traceparent: PROXY, tracestate: 'vendor=x' } }
  continueLogin(request, LOGIN, PATH)
  t.same(request.headers, { traceparent: LOGIN })
  t.match(proxyContext(request), { traceId: 'c'.repeat(32) })

  const other = { headers: { traceparent: PROXY, tracestate: 'vendor=x' } }
  continueLogin(other, undefined, PATH)
  t.same(other.headers, { traceparent: PROXY, tracestate: 'vendor=x' })
})

test('What a request waits for is traced, with its time and what failed, and nothing else', async (t) => {
  const store = {}
  const subscriptions = traceServer({ store, database: databaseOf({}), isOurs: () => true })
  t.teardown(() => { subscriptions.end() })
  const publish = (message: object) => {
    const startMs = performance.now() - 300
    channel('cashsouk-auth:store:statement').publish({
      store, call: 'get', text: 'SELECT', callers: undefined, startMs, durationMs: 250, ...message
    })
  }
  const cognito = (error?: Error) => {
    providerCall.publish({ endpoint: 'token', startMs: performance.now() - 300, durationMs: 250, error })
  }
  publish({ call: 'prune' })
  cognito()
  tracer.startActiveSpan('request', (request) => {
    publish({})
    publish({ store: {}, call: 'all' })
    publish({ error: new Error('hidden'), state: '57P01' })
    cognito(new ERR_COGNITO_ANSWER({ cause: new Error('hidden') }))
    request.end()
  })

  const [good, failed, call, request] = spans()
  t.equal(spans().length, 4)
  for (const span of [good, failed, call]) {
    t.match(span, {
      name: span === call ? 'Cognito token' : 'SELECT session',
      parentSpanContext: { spanId: request?.spanContext().spanId }
    })
    // To the millisecond: the SDK adds a time since 1970 to it, which has no nanoseconds.
    const [seconds = NaN, nanoseconds = NaN] = span?.duration ?? []
    t.equal(Math.round(seconds * 1000 + nanoseconds / 1e6), 250)
  }
  t.equal(good?.status.code, SpanStatusCode.UNSET)
  for (const span of [failed, call]) t.equal(span?.status.code, SpanStatusCode.ERROR)
  t.match(failed?.attributes, { 'error.type': '57P01', 'db.response.status_code': '57P01' })
  t.match(call?.attributes, { 'error.type': 'ERR_COGNITO_ANSWER' })
  for (const span of spans()) t.notMatch(JSON.stringify([span.attributes, span.status, span.events]), /hidden/)
})

test('Spans name the database and its host, and never the user or the password', async (t) => {
  for (const [connectionString, expected] of [
    ['postgres://app:word@db.example.com:5433/auth', { name: 'auth', host: 'db.example.com', port: 5433 }],
    ['postgres://app:word@db.example.com/a%20b', { name: 'a b', host: 'db.example.com', port: undefined }],
    ['postgres:///auth?host=/run/postgresql&user=app', { name: 'auth', host: '/run/postgresql', port: undefined }]
  ] as const) t.same(databaseOf({ connectionString }), expected)
  t.same(databaseOf({ host: 'h', port: 1, database: 'd', user: 'app', password: 'word' }), {
    name: 'd', host: 'h', port: 1
  })
})
