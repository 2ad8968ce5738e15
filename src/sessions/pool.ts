import { Pool, type PoolConfig } from 'pg'
import { ClosingClient } from './client.js'
import { connectionOptions, connectionStringProblem, type ConnectionOptions } from './connection-string.js'
import { MAX_DELAY_MS } from './deadline.js'
import { singleHosts, wantsWritable } from './hosts.js'
import type { PgSessionStoreOptions } from './options.js'
import { databaseError } from './sql-errors.js'
import { TargetPool } from './target-pool.js'
import type { ConnectionSource } from './targets.js'

/**
 * Options of a `pg.Pool` with which every query ends within 5 s whatever happens to the database.
 * With pg's defaults, a query waits for ever while the database stalls, and a connection that pg
 * refuses stays open.
 */
export const poolBounds = Object.freeze({
  Client: ClosingClient,
  connectionTimeoutMillis: 2000,
  query_timeout: 3000,
  idleTimeoutMillis: 30_000,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  maxLifetimeSeconds: 300
})

/**
 * A `pg.Pool`, also for a connection string with several hosts. These are tried in their order,
 * beginning with the one that was used last. One that takes no writes is passed over, unless
 * `target_session_attrs=any`. More than two share the time of two.
 *
 * @param options without a `connectionStringProblem`.
 * @param source in place of `options.connectionString`, for a user name or password that changes.
 */
export function createPool (options: PoolConfig, source?: ConnectionSource): Pool {
  const { connectionString = '', connectionTimeoutMillis: timeoutMs } = options
  const hosts = singleHosts(connectionString).length
  if (source === undefined && hosts < 2 && !wantsWritable(connectionString)) return new Pool(options)
  const strings = [connectionString]
  return new TargetPool({
    ...options,
    ...(timeoutMs === undefined ? {} : { connectionTimeoutMillis: timeoutMs * 2 / Math.max(2, hosts) })
  }, source ?? { strings: () => strings })
}

/**
 * The store's own pool. Without `conString` and `conObject`, it is that of the environment: of
 * `DATABASE_URL`, as in connect-pg-simple, or else of libpq's `PGHOST` and so on, which pg reads.
 *
 * @throws {TypeError} when a connection string cannot be used.
 */
export function ownPool (
  { conString, conObject }: PgSessionStoreOptions,
  deadlineMs: number,
  errorLog: (message: string, error: unknown) => void
): Pool {
  const pool = createPool({ ...boundsFor(deadlineMs), ...fromString(conString, conObject), ...conObject })
  // Without a listener, an idle connection that the server ends would end the process.
  pool.on('error', (error) => { errorLog('An idle database connection was lost', databaseError(error)) })
  return pool
}

/** The bounds in proportion to a deadline above 5 s, so that a query may take as long as it allows. */
function boundsFor (deadlineMs: number): PoolConfig {
  const factor = Math.max(1, deadlineMs / 5000)
  const { connectionTimeoutMillis, query_timeout: queryTimeoutMs } = poolBounds
  return {
    ...poolBounds,
    connectionTimeoutMillis: Math.min(connectionTimeoutMillis * factor, MAX_DELAY_MS),
    query_timeout: Math.min(queryTimeoutMs * factor, MAX_DELAY_MS)
  }
}

function fromString (
  conString: PgSessionStoreOptions['conString'], conObject: PgSessionStoreOptions['conObject']
): ConnectionOptions | undefined {
  const inEnvironment = conObject === undefined ? process.env['DATABASE_URL'] : undefined
  const [name, text] = [
    ['conObject.connectionString', conObject?.connectionString],
    ['conString', conString],
    ['DATABASE_URL', inEnvironment]
  ].find(([, given]) => given !== undefined && given !== '') ?? []
  if (text === undefined) return undefined
  const problem = connectionStringProblem(text)
  if (problem !== undefined) throw new TypeError(`PgSessionStore: ${name} ${problem}`)
  return connectionOptions(text)
}
