import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'
import type { Place } from './place.js'
import { isAlive } from './processes.js'
import { START, type Server } from './server.js'

/** The database of the server under development. */
const DATABASE = 'cashsouk'

/** The connection string of that database. */
export function urlOf (place: Place, { port }: Server, database = DATABASE): string {
  return `postgres://postgres:${readFileSync(place.password, 'utf8')}@127.0.0.1:${port}/${database}`
}

/**
 * Sees that the server answers, with our password, and has the database.
 *
 * A server that was found running may be slow (it recovers from a crash) or stand still (SIGSTOP).
 *
 * @returns false when it has ended meanwhile: it was already about to when it was found.
 * @throws {LocalPostgresError} when it does not answer in time, or refuses the password.
 */
export async function ensureDatabase (place: Place, server: Server): Promise<boolean> {
  for (const end = Date.now() + START; ; await sleep(50)) {
    try {
      await createDatabase(urlOf(place, server, 'postgres'), end - Date.now())
      return true
    } catch (cause) {
      if (!isAlive(server.pid)) return false
      const { code, message } = cause as pg.DatabaseError
      if (code === '28P01' || Date.now() > end) { // 28P01: invalid_password
        throw new LocalPostgresError(`The local PostgreSQL in ${place.dataDir} runs but does not answer us (${message}): ` +
          `end process ${server.pid} (kill -9 ${server.pid}) and try again, ${OR_YOUR_OWN}`, { cause })
      }
    }
  }
}

async function createDatabase (url: string, ms: number): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: ms, query_timeout: ms })
  client.on('error', () => {}) // the server may end at any moment; the query says so
  try {
    await client.connect()
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`)
  } finally {
    client.end().catch(() => {})
  }
}
