import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { withDeadline } from '../../src/deadline.js'
import { ERR_DATABASE, ERR_DRAINING } from '../../src/errors.js'
import { okResponse } from '../../src/schemas/health.js'
import { refusals } from '../../src/schemas/refusals.js'

/** The database must answer within this time. */
const LIMIT_MS = 1000

const Ready = {
  operationId: 'getReadiness',
  summary: 'Whether requests can be served',
  description: 'Asks the database, which must answer within a second.',
  tags: ['health'],
  response: { 200: okResponse, ...refusals(ERR_DRAINING, ERR_DATABASE) }
} as const

/**
 * `GET /health/ready`: 200 when requests can be served. Concurrent probes share one query, so that probes cannot
 * exhaust the pool.
 *
 * @throws {ERR_DRAINING} {ERR_DATABASE} 503
 */
const ready: FastifyPluginAsyncTypebox = async (fastify) => {
  let probe: Promise<void> | undefined

  fastify.get('/health/ready', { schema: Ready }, async () => {
    if (fastify.draining.started) throw new ERR_DRAINING()
    probe ??= fastify.sessionStore.ping().finally(() => { probe = undefined })
    await withDeadline(LIMIT_MS, probe, late)
    return { status: 'ok' } as const
  })
}

const late = () => new ERR_DATABASE({ cause: new Error(`no answer within ${LIMIT_MS} ms`) })

export default fp(ready, {
  name: 'route:ready', encapsulate: true, dependencies: ['draining', 'errors', 'session-store']
})
