import fp from 'fastify-plugin'
import { deriveKeys } from '../src/keys.js'
import { PgSessionStore } from '../src/sessions/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The table of sessions, login transactions and leases. */
    sessionStore: PgSessionStore
  }
}

/** Decorates with `sessionStore`. The table is created in the background: an unavailable database delays no start. */
export default fp(async (fastify) => {
  const { config, log } = fastify
  const { SESSION_TTL: ttl, SESSION_ABSOLUTE_TTL: absoluteTtl } = config
  const store = new PgSessionStore({
    pool: fastify.pg.pool,
    ttl,
    absoluteTtl,
    touchInterval: config.SESSION_TOUCH_INTERVAL,
    pruneSessionInterval: config.SESSION_PRUNE_INTERVAL,
    preparedStatements: config.DATABASE_PREPARED_STATEMENTS,
    hashIds: config.SESSION_HASH_IDS ? deriveKeys(config.SESSION_SECRET, 'session id') : false,
    errorLog: (message, error) => { log.warn({ reason: reasonOf(error) }, message) }
  })
  fastify.decorate('sessionStore', store)
  fastify.addHook('onReady', async () => {
    store.createTable().catch((error: unknown) => {
      log.warn({ reason: reasonOf(error) }, 'Could not check the session table; will retry on first use')
    })
  })
  fastify.addHook('onClose', async () => { await store.close() })
  log.info({ ttl, absoluteTtl }, 'Session store configured with PostgreSQL')
}, { name: 'session-store', fastify: '5.x', dependencies: ['config', 'postgres'] })

function reasonOf (error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return error.cause instanceof Error ? error.cause.message : error.message
}
