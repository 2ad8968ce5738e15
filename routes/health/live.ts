import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_DRAINING } from '../../src/errors.js'
import { okResponse } from '../../src/schemas/health.js'
import { refusals } from '../../src/schemas/refusals.js'

const Live = {
  summary: 'Whether the process serves',
  description: '200 whatever the state of the database.',
  tags: ['health'],
  response: { 200: okResponse, ...refusals(ERR_DRAINING) }
} as const

/** The names of the operations, by their paths. */
const OPERATIONS = { '/health': 'getHealth', '/health/live': 'getLiveness' }

/**
 * `GET /health/live` and `GET /health`: 200 while the process serves, whatever the state of the database.
 *
 * @throws {ERR_DRAINING} 503
 */
const live: FastifyPluginAsyncTypebox = async (fastify) => {
  for (const [url, operationId] of Object.entries(OPERATIONS)) {
    fastify.get(url, { schema: { operationId, ...Live } }, async () => {
      if (fastify.draining.started) throw new ERR_DRAINING()
      return { status: 'ok' } as const
    })
  }
}

export default fp(live, { name: 'route:live', encapsulate: true, dependencies: ['draining', 'errors'] })
