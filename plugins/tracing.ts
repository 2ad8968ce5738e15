import { fastifyCookie, Signer } from '@fastify/cookie'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { loginCookies } from '../src/cookies.js'
import { parseLoginCookie } from '../src/login/login-cookie.js'
import { stateKey } from '../src/login/transaction.js'
import { isTracingOn } from '../src/tracing/is-on.js'

/** What the server of its own adds: an application instruments itself. */
export interface TracingOptions {
  /** The plugin of @fastify/otel. */
  instrumentation?: unknown
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Null: nothing is traced. */
    authTracing: typeof import('../src/tracing/index.js') | null
  }
}

/**
 * Decorates with `authTracing`, and lets a callback continue the trace of its login. Off unless an SDK of OpenTelemetry
 * is registered in the process: then nothing is loaded, and no hook is added.
 *
 * The login's cookie tells its trace, not its row: a span has its trace from the beginning, before the row is read.
 *
 * @see docs/tracing.md
 */
export default fp<TracingOptions>(async (fastify, { instrumentation }) => {
  if (!isTracingOn()) {
    fastify.decorate('authTracing', null)
    return
  }
  const { config } = fastify
  const tracing = await import('../src/tracing/index.js')
  fastify.decorate('authTracing', tracing)
  const { namePrefix } = loginCookies(config)
  const signer = new Signer([...config.SESSION_SECRET])
  const callbackPath = `${config.prefix}/callback`

  function traceparentOf ({ query, headers: { cookie = '' } }: FastifyRequest): string | undefined {
    const { state } = query as { state?: unknown }
    if (typeof state !== 'string') return undefined
    const { valid, value } = signer.unsign(fastifyCookie.parse(cookie)[namePrefix + stateKey(state)] ?? '')
    return valid ? parseLoginCookie(value)?.traceparent : undefined
  }

  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.url === callbackPath) {
      tracing.continueLogin(request, traceparentOf(request), callbackPath)
    }
    done()
  })
  // After that hook, so that the span of a callback begins in the trace of its login.
  if (instrumentation !== undefined) await fastify.register(instrumentation as FastifyPluginCallback)
}, { name: 'tracing', fastify: '5.x', dependencies: ['config'] })
