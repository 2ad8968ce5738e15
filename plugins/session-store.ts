import fp from 'fastify-plugin'
import { deriveKeys } from '../src/keys.js'
import { PgSessionStore } from '../src/sessions/store.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The table of sessions and started logins. */
    sessionStore: PgSessionStore
  }
}

/** Decorates with `sessionStore`. The table is created in the background: a database that is away delays no start. */
export default fp(async (fastify) => {
  const { config, log } = fastify
  const store = new PgSessionStore({
    pool: fastify.pg.pool,
    ttl: config.SESSION_TTL,
    absoluteTtl: config.SESSION_ABSOLUTE_TTL,
    touchInterval: config.SESSION_TOUCH_INTERVAL,
    pruneSessionInterval: config.SESSION_PRUNE_INTERVAL,
    preparedStatements: config.DATABASE_PREPARED_STATEMENTS,
    hashIds: config.SESSION_HASH_IDS ? deriveKeys(config.SESSION_SECRET, 'session id') : false,
    errorLog: (message, error) => { log.warn({ reason: reasonOf(error) }, message) }
  })
  fastify.decorate('sessionStore', store)
  fastify.addHook('onReady', async () => {
    store.createTable().catch((error: unknown) => {
      log.warn({ reason: reasonOf(error) }, 'The session table could not be checked; it will be at the first use')
    })
  })
  fastify.addHook('onClose', async () => { await store.close() })
  log.info({ ttl: config.SESSION_TTL, absoluteTtl: config.SESSION_ABSOLUTE_TTL }, 'Session store configured with PostgreSQL')
}, { name: 'session-store', fastify: '5.x', dependencies: ['config', 'postgres'] })

function reasonOf (error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return error.cause instanceof Error ? error.cause.message : error.message
}
