/**
 * The stores that are compared, each at its best documented settings.
 *
 * @module
 */
import connectPgSimple from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import expressSession from 'express-session'
import pg from 'pg'
import { createClient } from 'redis'
import { PgSessionStore } from '../../src/sessions/store.js'
import { TTL, type Workload } from '../sample.js'
import { given, type SessionStore } from './serve.js'

export type StoreName = 'connect-pg-simple' | 'connect-redis' | 'memory' | 'this-store' | 'none'

export interface Built { store: SessionStore | undefined, prune?: () => Promise<unknown> }

/**
 * @param workload in `read` no expiry moves: connect-pg-simple and connect-redis have `disableTouch` for it.
 */
export async function createStore (name: StoreName, workload: Workload): Promise<Built> {
  const disableTouch = workload === 'read'
  switch (name) {
    case 'connect-pg-simple': {
      const Store = connectPgSimple(expressSession)
      const store = new Store({ pool: pool(), disableTouch, createTableIfMissing: true, pruneSessionInterval: false })
      const prune = () => new Promise<void>((resolve, reject) => {
        store.pruneSessions((error) => { if (error as Error | null | undefined) reject(error); else resolve() })
      })
      return { store: store as unknown as SessionStore, prune }
    }
    case 'connect-redis': {
      const client = createClient({ url: given('REDIS_URL') })
      client.on('error', (error: Error) => { throw error })
      await client.connect()
      return { store: new RedisStore({ client, disableTouch }) as unknown as SessionStore }
    }
    case 'memory': return { store: undefined } // each library's own
    case 'none': return { store: undefined }
    case 'this-store': {
      const store = new PgSessionStore({
        pool: pool(), ttl: TTL, preparedStatements: true, pruneSessionInterval: false,
        ...(process.env.HASH_IDS === 'true' ? { hashIds: 'a key of the benchmark and of nothing else' } : {}),
        ...(process.env.TOUCH_INTERVAL === undefined ? {} : { touchInterval: Number(process.env.TOUCH_INTERVAL) })
      })
      await store.createTable()
      return { store: store as unknown as SessionStore, prune: () => store.prune() }
    }
  }
}

/** The same for all: as many connections as pg and this server have by default. */
export const pool = (): pg.Pool => new pg.Pool({ connectionString: given('DATABASE_URL'), max: 10 })
