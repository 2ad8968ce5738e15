import fp from 'fastify-plugin'

/**
 * Logs one line a request: method, route, status, milliseconds, client address. Never the URL: the
 * callback's holds the code and the state. Probes are logged at debug level.
 */
export default fp(async (fastify) => {
  fastify.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions: { url = 'unknown' }, ip } = request
    const level = url.startsWith('/health') && reply.statusCode < 500 ? 'debug' : 'info'
    request.log[level]({ method, route: url, statusCode: reply.statusCode, durationMs: Math.round(reply.elapsedTime), ip }, 'Request')
  })
}, { name: 'request-log', fastify: '5.x' })
