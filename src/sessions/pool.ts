import { Pool } from 'pg'
import type { PgSessionStoreOptions } from './options.js'

/**
 * Options of a `pg.Pool` with which every query ends within 5 s whatever happens to the database.
 * With pg's defaults, a query waits for ever while the database stalls.
 */
export const poolBounds = Object.freeze({
  connectionTimeoutMillis: 2000,
  query_timeout: 3000,
  idleTimeoutMillis: 30_000,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  maxLifetimeSeconds: 300
})

/** The store's own pool. @throws {TypeError} when the options name no database. */
export function ownPool (
  { conString, conObject }: PgSessionStoreOptions,
  errorLog: (message: string, error: unknown) => void
): Pool {
  if (conString === undefined && conObject === undefined) {
    throw new TypeError('PgSessionStore needs one of pool, conString and conObject')
  }
  const connection = conString === undefined ? {} : { connectionString: conString }
  const pool = new Pool({ ...poolBounds, ...connection, ...conObject })
  // Without a listener, an idle connection that the server ends would end the process.
  pool.on('error', (error) => { errorLog('An idle database connection was lost', error) })
  return pool
}
