import { setTimeout as sleep } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { EndReason } from '../src/end-reason.js'
import { ERR_CONFIG } from '../src/errors.js'
import { deriveKeys } from '../src/keys.js'
import { PgSessionStore, SessionTableError, type StatementOutcome } from '../src/sessions/index.js'

/** The longest session, as JSON. Tokens of the greatest length that is accepted take 107 KiB, once encrypted. */
const MAX_SESSION_BYTES = 160 * 1024
/** How long a start waits for a look at the session table, in milliseconds. */
const TABLE_CHECK_MS = 1000

declare module 'fastify' {
  interface FastifyInstance {
    /** The table of sessions, login transactions and leases. */
    sessionStore: PgSessionStore
  }
}

/** The store of this server, whose users are told why a session ended. */
class SessionStore extends PgSessionStore {
  /** Called once for each session that `destroyByUser` has ended. */
  onEndedElsewhere: (sub: string) => void = () => {}

  override async destroyByUser (
    user: string | number, options: { except?: string, reason?: string } = {}
  ): Promise<number> {
    const ended = await super.destroyByUser(user, { reason: 'ended_elsewhere' satisfies EndReason, ...options })
    for (let i = 0; i < ended; i++) this.onEndedElsewhere(String(user))
    return ended
  }
}

/**
 * Decorates with `sessionStore`. The table is created in the background. An unavailable database does not fail the
 * start, and a table that cannot be used does.
 *
 * @throws {ERR_CONFIG} when the server gets ready, naming what is wrong with the table.
 */
export default fp(async (fastify) => {
  const { config, databaseHealth, hooks, log } = fastify
  const { SESSION_TTL: ttl, SESSION_ABSOLUTE_TTL: absoluteTtl } = config
  const store = new SessionStore({
    pool: fastify.pg.pool,
    ttl,
    absoluteTtl,
    maxBytes: MAX_SESSION_BYTES,
    touchInterval: config.SESSION_TOUCH_INTERVAL,
    pruneSessionInterval: config.SESSION_PRUNE_INTERVAL,
    preparedStatements: config.DATABASE_PREPARED_STATEMENTS,
    endCommit: config.SESSION_END_COMMIT as 'default' | 'remote_apply',
    hashIds: config.SESSION_HASH_IDS ? deriveKeys(config.SESSION_SECRET, 'session id') : false,
    errorLog: (message, error) => { log.warn({ reason: reasonOf(error) }, message) }
  })
  store.onEndedElsewhere = (sub) => { hooks.ended('ended_elsewhere', { sub }) }
  store.on('statement', (outcome: StatementOutcome) => { databaseHealth.ended(outcome) })
  fastify.decorate('sessionStore', store)
  let isReady = false
  const checked = store.createTable().then(() => undefined, (error: unknown) => {
    const reason = reasonOf(error)
    if (isUnusable(error)) {
      if (isReady) log.error({ reason }, 'The session table cannot be used')
      return reason
    }
    log.warn({ reason }, 'Could not check the session table; will retry on first use')
    return undefined
  })
  fastify.addHook('onReady', async () => {
    const reason = await Promise.race([checked, sleep(TABLE_CHECK_MS, undefined, { ref: false })])
    if (reason !== undefined) throw new ERR_CONFIG(`The session table cannot be used: ${reason}`)
    isReady = true
  })
  fastify.addHook('onClose', async () => { await store.close() })
  log.info({ ttl, absoluteTtl }, 'Session store configured with PostgreSQL')
}, { name: 'session-store', fastify: '5.x', dependencies: ['config', 'database-health', 'hooks', 'postgres'] })

const isUnusable = (error: unknown): boolean => (error as Error).cause instanceof SessionTableError

function reasonOf (error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return error.cause instanceof Error ? error.cause.message : error.message
}
