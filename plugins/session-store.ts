import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Event } from '../src/audit/events.js'
import type { Config } from '../src/config.js'
import type { EndReason } from '../src/end-reason.js'
import { ERR_CONFIG } from '../src/errors.js'
import { deriveKeys } from '../src/keys.js'
import {
  EventTableError, PgSessionStore, SessionTableError, type EndOptions, type EventOptions, type StatementOutcome
} from '../src/sessions/index.js'

/** The longest session, as JSON. Tokens of the greatest length that is accepted take 107 KiB, once encrypted. */
const MAX_SESSION_BYTES = 160 * 1024
const DAY_S = 86_400
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
  /** What is recorded of each, unless the caller says so. */
  byOperator: readonly Event[] | undefined

  override async destroyByUser (user: string | number, options: EndOptions = {}): Promise<number> {
    const ended = await super.destroyByUser(user, {
      reason: 'ended_elsewhere' satisfies EndReason, events: this.byOperator, ...options
    })
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
  const { config, databaseHealth, hooks, log, secretFiles } = fastify
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
    ...(config.AUDIT ? { events: await eventOptions(config, log) } : {}),
    errorLog: (message, error) => { log.warn({ reason: reasonOf(error) }, message) }
  })
  if (config.SESSION_HASH_IDS) {
    secretFiles?.onChange('SESSION_SECRET', () => { store.setHashIds(deriveKeys(config.SESSION_SECRET, 'session id')) })
  }
  if (config.AUDIT) store.byOperator = [{ type: 'ended', actor: 'operator', reason: 'ended_elsewhere' }]
  store.onEndedElsewhere = (sub) => { hooks.ended('ended_elsewhere', { sub }) }
  store.on('statement', (outcome: StatementOutcome) => { databaseHealth.ended(outcome) })
  fastify.decorate('sessionStore', store)
  let isReady = false
  const checked = store.createTable().then(() => undefined, (error: unknown) => {
    const reason = reasonOf(error)
    if (isUnusable(error)) {
      if (isReady) log.error({ reason }, 'The session table cannot be used')
      const what = isOfEvents(error) ? 'AUDIT needs its table' : 'The session table cannot be used'
      return `${what}: ${reason ?? ''}`
    }
    log.warn({ reason }, 'Could not check the session table; will retry on first use')
    return undefined
  })
  fastify.addHook('onReady', async () => {
    const reason = await Promise.race([checked, sleep(TABLE_CHECK_MS, undefined, { ref: false })])
    if (reason !== undefined) throw new ERR_CONFIG(reason)
    isReady = true
  })
  fastify.addHook('onClose', async () => { await store.close() })
  log.info({ ttl, absoluteTtl }, 'Session store configured with PostgreSQL')
}, {
  name: 'session-store',
  fastify: '5.x',
  dependencies: ['config', 'database-health', 'hooks', 'postgres', 'secret-files']
})

/** The audit trail is also in the log, by the lines of the rows that were committed. */
async function eventOptions ({ AUDIT_DAYS }: Config, log: FastifyBaseLogger): Promise<EventOptions> {
  const { logLine } = await import('../src/audit/log-line.js')
  return { maxAge: AUDIT_DAYS * DAY_S, onEvent: (event) => { log.info(logLine(event), 'Audit') } }
}

const isOfEvents = (error: unknown): boolean => (error as Error).cause instanceof EventTableError

const isUnusable = (error: unknown): boolean => (error as Error).cause instanceof SessionTableError

function reasonOf (error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return error.cause instanceof Error ? error.cause.message : error.message
}
