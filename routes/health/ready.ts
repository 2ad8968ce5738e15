import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { Readiness } from '../../src/database-health/readiness.js'
import { withDeadline } from '../../src/deadline.js'
import { ERR_DATABASE, ERR_DRAINING } from '../../src/errors.js'
import { readyResponse } from '../../src/schemas/health.js'
import { refusals } from '../../src/schemas/refusals.js'

/** The database must answer within this time. */
const LIMIT_MS = 1000

const Ready = {
  operationId: 'getReadiness',
  summary: 'Whether requests can be served',
  description: 'Asks the database, which must answer within a second. The answer stays 200 while the database can be ' +
    'read and refuses to write for lack of space: the sessions that there are still work.',
  tags: ['health'],
  response: { 200: readyResponse, ...refusals(ERR_DRAINING, ERR_DATABASE) }
} as const

/**
 * `GET /health/ready`: 200 when requests can be served. A database that refuses to write for lack of space is shown in
 * the answer and does not change it: all instances would leave the balancer at once, and with them every session that
 * can still be read. Concurrent probes share one query, so that probes cannot
 * exhaust the pool.
 *
 * @throws {ERR_DRAINING} {ERR_DATABASE} 503
 */
const ready: FastifyPluginAsyncTypebox = async (fastify) => {
  const { databaseHealth } = fastify
  const readiness = new Readiness(fastify.log)
  let probe: Promise<void> | undefined

  const check = async (): Promise<void> => {
    if (fastify.draining.started) throw new ERR_DRAINING()
    probe ??= fastify.sessionStore.ping().finally(() => { probe = undefined })
    await withDeadline(LIMIT_MS, probe, late)
  }

  fastify.get('/health/ready', { schema: Ready }, async () => {
    await check().catch((error: unknown) => {
      readiness.notReady(error as Error)
      throw error
    })
    readiness.ready()
    const { refusedWrites: writes, clocks: { skewSeconds: clockSkewSeconds } } = databaseHealth
    return {
      status: 'ok',
      ...(writes === undefined ? {} : { writes }),
      ...(clockSkewSeconds === undefined ? {} : { clockSkewSeconds })
    } as const
  })
}

const late = () => new ERR_DATABASE({ cause: new Error(`no answer within ${LIMIT_MS} ms`) })

export default fp(ready, {
  name: 'route:ready', encapsulate: true, dependencies: ['database-health', 'draining', 'errors', 'session-store']
})
