import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_DRAINING } from '../../src/errors.js'

/**
 * `GET /health/live` and `GET /health`: 200 while the process serves, whatever the state of the database.
 *
 * @throws {ERR_DRAINING} 503
 */
const live: FastifyPluginAsyncTypebox = async (fastify) => {
  for (const url of ['/health', '/health/live']) {
    fastify.get(url, async () => {
      if (fastify.draining.started) throw new ERR_DRAINING()
      return { status: 'ok' }
    })
  }
}

export default fp(live, { name: 'route:live', encapsulate: true, dependencies: ['draining', 'errors'] })
