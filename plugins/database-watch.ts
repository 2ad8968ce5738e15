import fp from 'fastify-plugin'
import type { Client, Pool } from 'pg'
import { Fence } from '../src/database-health/fence.js'
import { look, type Look } from '../src/database-health/look.js'
import { databaseReason, retireConnections } from '../src/sessions/index.js'

/** How often the database is looked at, and how long after the start for the first time. */
const INTERVAL_MS = 5000
const FIRST_MS = 1000
/** Of these connections, in `pg_stat_activity`. */
const NAME = 'cashsouk-auth watch'

/** pg's types leave out the class of a pool's connections. */
type Clients = Pool & { Client: new (options: object) => Client }

/**
 * Looks at the database every 5 s on a new connection, which sees where new connections lead, and the database's
 * clock: connections to a server that has been replaced are given up, and a clock that differs is reported. Nothing of
 * this is done for a request.
 *
 * The pool of an application is left alone: it may count its connections.
 */
export default fp<{ pool?: Pool | undefined }>(async (fastify, { pool: given }) => {
  if (given !== undefined) return
  const { config, databaseHealth, log, pg, sessionStore } = fastify
  const pool = pg.pool as Clients
  const fence = new Fence()
  let hasWarned = false
  let timer: NodeJS.Timeout | undefined
  let client: Client | undefined

  const learn = ({ server, missingLimits, skewMs }: Look, beganMs: number): void => {
    databaseHealth.clocks.compared(skewMs)
    if (fence.isReplaced(server)) {
      retireConnections(pool, beganMs)
      log.warn('New connections lead to another database server; the former ones are given up')
    }
    if (missingLimits.length > 0 && !hasWarned) {
      hasWarned = true
      // The local PostgreSQL of a developer's machine has none.
      log[config.production ? 'warn' : 'debug'](
        { missing: missingLimits }, 'The database role has no time limits: a lock can take every connection'
      )
    }
  }

  const watch = async (): Promise<void> => {
    const beganMs = performance.now()
    client = new pool.Client({ ...pool.options, password: pool.options.password, application_name: NAME })
    try {
      learn(await look(client), beganMs)
    } catch (error) {
      log.debug({ reason: databaseReason(error) }, 'The database could not be looked at')
    }
    // Without requests, nothing else would notice that the database is back.
    if (databaseHealth.isFailing) await sessionStore.ping().catch(() => {})
  }
  const next = (delayMs: number): void => {
    timer = setTimeout(() => {
      void watch().then(() => { if (timer !== undefined) next(INTERVAL_MS) })
    }, delayMs).unref()
  }
  fastify.addHook('onReady', async () => { next(FIRST_MS) })
  fastify.addHook('onClose', async () => {
    clearTimeout(timer)
    timer = undefined
    client?.connection.stream.destroy()
  })
}, { name: 'database-watch', fastify: '5.x', dependencies: ['config', 'database-health', 'postgres', 'session-store'] })
