/**
 * Spans of requests, by @fastify/otel.
 *
 * @module
 */
import { trace, type Span } from '@opentelemetry/api'
import otel from '@fastify/otel'
import { proxyContext } from './context.js'

interface RequestLike { method: string, routeOptions: { url?: string | undefined } }

/**
 * Its hook sets `url.path` to the whole URL: that of the callback has the code and the state. So the path is replaced
 * by the template of the route, which has no ids either.
 */
function describe (span: Span, request: RequestLike): void {
  const { method, routeOptions: { url: route } } = request
  span.updateName(route === undefined ? method : `${method} ${route}`)
  span.setAttribute('url.path', route ?? 'unknown')
  const proxy = proxyContext(request)
  if (proxy !== undefined) span.addLink({ context: proxy })
}

/** The plugin for Fastify. Hooks get no spans of their own, and messages of errors are not recorded. */
export function instrumentation (): unknown {
  const { FastifyOtelInstrumentation } = otel
  const fastifyOtel = new FastifyOtelInstrumentation({
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
    requestHook: describe
  })
  fastifyOtel.setTracerProvider(trace.getTracerProvider())
  return fastifyOtel.plugin()
}
