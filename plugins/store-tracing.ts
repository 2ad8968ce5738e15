import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Makes the spans of the session store and of Cognito. Off where `authTracing` is null. */
export default fp(async (fastify) => {
  const { authTracing: tracing, pg: { pool }, sessionStore: store } = fastify
  if (tracing === null) return
  const spans = tracing.traceServer({
    store,
    database: tracing.databaseOf(pool.options),
    isOurs: (scope) => (scope as FastifyInstance).sessionStore === store
  })
  fastify.addHook('onClose', async () => { spans.end() })
}, { name: 'store-tracing', fastify: '5.x', dependencies: ['tracing', 'postgres', 'session-store'] })
