import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_DATABASE, ERR_DRAINING } from '../../src/errors.js'

/** The database must answer within this time, in milliseconds. */
const LIMIT_MS = 1000

/**
 * `GET /health/ready`: 200 when requests can be served. Probes that come while one is under way share it,
 * so that no number of them fills the pool.
 *
 * @throws {ERR_DRAINING} {ERR_DATABASE} 503
 */
const ready: FastifyPluginAsyncTypebox = async (fastify) => {
  let probe: Promise<void> | undefined

  fastify.get('/health/ready', async () => {
    if (fastify.draining.started) throw new ERR_DRAINING()
    probe ??= fastify.sessionStore.ping().finally(() => { probe = undefined })
    await within(LIMIT_MS, probe)
    return { status: 'ok' }
  })
}

async function within (limitMs: number, pending: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new ERR_DATABASE({ cause: new Error(`no answer within ${limitMs} ms`) })) }, limitMs)
  })
  try {
    await Promise.race([pending, limit])
  } finally {
    clearTimeout(timer)
  }
}

export default fp(ready, { name: 'route:ready', encapsulate: true, dependencies: ['draining', 'errors', 'session-store'] })
