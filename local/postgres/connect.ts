import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'
import type { Paths } from './paths.js'
import { isAlive } from './processes.js'
import { START_TIMEOUT_MS, type Server } from './server.js'

/** The application's database. */
const DATABASE = 'cashsouk'

const POLL_MS = 50
const INVALID_PASSWORD = '28P01'

/** Connection string of the application's database, or of another one. */
export function urlOf (paths: Paths, { port }: Server, database = DATABASE): string {
  return `postgres://postgres:${readFileSync(paths.password, 'utf8')}@127.0.0.1:${port}/${database}`
}

/**
 * Waits until the server answers with our password, and creates the database if it is missing.
 *
 * A server that was found running may be recovering from a crash, or be suspended.
 *
 * @returns false if the server has ended meanwhile.
 * @throws {LocalPostgresError} if it does not answer in time, or refuses the password.
 */
export async function ensureDatabase (paths: Paths, server: Server): Promise<boolean> {
  const end = Date.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      await createDatabase(urlOf(paths, server, 'postgres'), end - Date.now())
      return true
    } catch (cause) {
      if (!isAlive(server.pid)) return false
      const { code, message } = cause as pg.DatabaseError
      if (code === INVALID_PASSWORD || Date.now() > end) {
        throw new LocalPostgresError(`The local PostgreSQL in ${paths.dataDir} runs ` +
          `but does not answer us (${message}): ` +
          `end process ${server.pid} (kill -9 ${server.pid}) and try again, ${OR_YOUR_OWN}`, { cause })
      }
    }
    await sleep(POLL_MS)
  }
}

async function createDatabase (url: string, timeoutMs: number): Promise<void> {
  const client = new pg.Client({
    connectionString: url, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs
  })
  client.on('error', () => {}) // if the server ends, the query rejects as well
  try {
    await client.connect()
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`)
  } finally {
    client.end().catch(() => {})
  }
}
