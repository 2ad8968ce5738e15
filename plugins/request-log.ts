import fp from 'fastify-plugin'

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
    const { method, routeOptions: { url: route = 'unknown', config }, ip } = request
    const { statusCode } = reply
    const isQuiet = request.isRefused ||
      (config.isProbe === true ? statusCode < 300 : route.startsWith('/health') && statusCode < 500)
    const level = isQuiet ? 'debug' : 'info'
    const durationMs = Math.round(reply.elapsedTime)
    request.log[level]({ method, route, statusCode, code: request.failureCode, durationMs, ip }, 'Request')
    done()
  })
}, { name: 'request-log', fastify: '5.x' })
