import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Logger } from 'pino'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A proxy asks this route for each of its own requests: successes are logged at debug level. */
    isProbe?: true
  }
}

/**
 * Logs one line per request: method, route, status, the code of its error, milliseconds, client address. Never the
 * URL, because the callback's holds the code and the state. Successful probes, and what an overloaded server refuses,
 * are logged at debug level.
 */
export default fp(async (fastify) => {
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions: { url: route = 'unknown', config } } = request
    const { statusCode } = reply
    const isQuiet = request.isRefused ||
      (config.isProbe === true ? statusCode < 300 : route.startsWith('/health') && statusCode < 500)
    if (!isQuiet || logsDebug(request.log)) {
      const durationMs = Math.round(reply.elapsedTime)
      const line = { method, route, statusCode, code: request.failureCode, durationMs, ip: request.ip }
      request.log[isQuiet ? 'debug' : 'info'](line, 'Request')
    }
    done()
  })
}, { name: 'request-log', fastify: '5.x' })

/** A logger of an application may be another one than pino. */
const logsDebug = (log: FastifyBaseLogger): boolean =>
  (log as Partial<Logger>).isLevelEnabled?.('debug') ?? true
