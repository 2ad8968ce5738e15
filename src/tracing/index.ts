/**
 * Spans of the session store and of calls to Cognito, and the trace of a login. Only @opentelemetry/api is needed: the
 * spans go to the SDK that the process has registered. Loaded only where there is one.
 *
 * @module
 */
import {
  context, SpanKind, SpanStatusCode, trace, type Attributes, type Context, type Link, type Span, type SpanContext
} from '@opentelemetry/api'
import { loginBegun, providerCall, type LoginBegun, type ProviderCall } from '../channels.js'
import { codeOf } from '../errors.js'
import type { StoreCallName, StoreStatement } from '../sessions/index.js'
import { Subscriptions } from '../subscriptions.js'
import { formatTraceparent, keepProxyContext, parseTraceparent } from './context.js'

export { databaseOf } from './database.js'

const tracer = trace.getTracer('cashsouk-auth')

/** The SQL command of each call; SELECT for those that are not named. */
const COMMANDS: Partial<Record<StoreCallName, string>> = {
  insert: 'INSERT',
  update: 'UPDATE',
  touch: 'UPDATE',
  destroy: 'DELETE',
  merge: 'UPDATE',
  extend: 'UPDATE',
  consume: 'DELETE',
  replace: 'INSERT',
  replaceWithin: 'INSERT',
  destroyByUser: 'DELETE',
  consumeByUser: 'DELETE',
  clear: 'DELETE',
  prune: 'DELETE',
  replaceSharedValue: 'INSERT',
  acquireLease: 'INSERT',
  releaseLease: 'DELETE',
  failLease: 'UPDATE'
}

export interface TracedDatabase { name: string | undefined, host: string | undefined, port: number | undefined }

export interface Traced {
  store: object
  database: TracedDatabase
  /** Whether a message is of this server. */
  isOurs: (scope: object) => boolean
}

/** Makes spans until it is ended. */
export function traceServer ({ store, database, isOurs }: Traced): Subscriptions {
  const subscriptions = new Subscriptions()
  const server: Attributes = {
    'db.system.name': 'postgresql',
    'db.collection.name': 'session',
    ...(database.name === undefined ? {} : { 'db.namespace': database.name }),
    ...(database.host === undefined ? {} : { 'server.address': database.host }),
    ...(database.port === undefined ? {} : { 'server.port': database.port })
  }
  subscriptions.add('cashsouk-auth:store:statement', (statement: StoreStatement) => {
    if (statement.store === store) traceStatement(statement, server)
  })
  subscriptions.add(providerCall.name, traceProvider)
  subscriptions.add(loginBegun.name, (message: LoginBegun) => {
    const span = trace.getActiveSpan()?.spanContext()
    if (span !== undefined && isOurs(message.scope)) message.traceparent = formatTraceparent(span)
  })
  return subscriptions
}

/**
 * A statement that served one request is a child of its span. A batch is a span of its own trace, which links those of
 * its requests; each request has a child that links the batch.
 */
function traceStatement (statement: StoreStatement, server: Attributes): void {
  const parents = parentsOf(statement)
  const [only] = parents
  if (only === undefined) return
  const attributes = attributesOf(statement, server)
  if (statement.callers === undefined || statement.callers.length === 1) {
    end(tracer.startSpan(nameOf(attributes), startOf(statement, attributes), only), statement)
    return
  }
  const links: Link[] = parents.flatMap((parent) => trace.getSpanContext(parent) ?? []).map(linkTo)
  const batch = tracer.startSpan(
    nameOf(attributes), { ...startOf(statement, attributes), root: true, links }, context.active()
  )
  const link = linkTo(batch.spanContext())
  end(batch, statement)
  for (const parent of parents) {
    const options = { startTime: statement.startMs, kind: SpanKind.INTERNAL, links: [link] }
    end(tracer.startSpan(`batch of ${nameOf(attributes)}`, options, parent), statement)
  }
}

/** The contexts in which the calls were made, without those of no trace: what runs in the background is not traced. */
function parentsOf ({ callers }: StoreStatement): Context[] {
  const contexts = callers === undefined
    ? [context.active()]
    : callers.map((caller) => caller.runInAsyncScope(() => context.active()))
  const bySpan = new Map(contexts.map((parent) => [trace.getSpan(parent), parent]))
  bySpan.delete(undefined)
  return [...bySpan.values()]
}

/** @see {@link https://opentelemetry.io/docs/specs/semconv/database/postgresql/} */
function attributesOf ({ call, text, callers, error, state }: StoreStatement, server: Attributes): Attributes {
  const command = COMMANDS[call] ?? 'SELECT'
  const size = callers?.length ?? 1
  return {
    ...server,
    'db.operation.name': command,
    'db.query.summary': `${command} session`,
    'cashsouk_auth.store.call': call,
    ...(text === undefined ? {} : { 'db.query.text': text.replaceAll(/\s+/g, ' ').trim() }),
    ...(size > 1 ? { 'db.operation.batch.size': size } : {}),
    ...(state === undefined ? {} : { 'db.response.status_code': state }),
    ...(error === undefined ? {} : { 'error.type': state ?? codeOf(error) })
  }
}

const nameOf = (attributes: Attributes): string => String(attributes['db.query.summary'])

const startOf = ({ startMs: startTime }: { startMs: number }, attributes: Attributes) =>
  ({ startTime, attributes, kind: SpanKind.CLIENT })

const linkTo = (to: SpanContext): Link => ({ context: to })

/** @param ended times on the process's monotonic clock, which the API takes as they are. */
function end (
  span: Span, { startMs, durationMs, error }: Pick<StoreStatement, 'startMs' | 'durationMs' | 'error'>
): void {
  if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(startMs + durationMs)
}

/** Of the request in which Cognito was called. */
function traceProvider (call: ProviderCall): void {
  const parent = context.active()
  if (trace.getSpan(parent) === undefined) return
  const { endpoint, error } = call
  const attributes = {
    'cashsouk_auth.provider.endpoint': endpoint, ...(error === undefined ? {} : { 'error.type': codeOf(error) })
  }
  end(tracer.startSpan(`Cognito ${endpoint}`, startOf(call, attributes), parent), call)
}

interface IncomingRequest { headers: Record<string, string | string[] | undefined> }

/**
 * A callback continues the trace of its login, or, where its span has begun already (the application's own
 * instrumentation), links it. Its query is taken out of that span: it has the code and the state.
 *
 * @param traceparent of the request that began the login, if its cookie has it.
 */
export function continueLogin (request: IncomingRequest, traceparent: string | undefined, path: string): void {
  const active = trace.getActiveSpan()
  // The names of the present conventions and of the former ones.
  active?.setAttributes({
    'url.path': path, 'url.query': 'REDACTED', 'url.full': path, 'http.target': path, 'http.url': path
  })
  const login = parseTraceparent(traceparent ?? '')
  if (login === undefined || traceparent === undefined) return
  if (active !== undefined) {
    active.addLink({ context: login })
    return
  }
  const { traceparent: sent } = request.headers
  const proxy = typeof sent === 'string' ? parseTraceparent(sent) : undefined
  if (proxy !== undefined) keepProxyContext(request, proxy)
  request.headers.traceparent = traceparent
  delete request.headers.tracestate
}
