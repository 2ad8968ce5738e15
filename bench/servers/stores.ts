/**
 * The compared stores. Those of other projects have their best documented settings.
 *
 * @module
 */
import connectPgSimple from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import expressSession from 'express-session'
import pg from 'pg'
import { createClient } from 'redis'
import * as thisBuild from '../../src/sessions/index.js'
import { TTL_S, type Workload } from '../sample.js'
import { requiredEnv, type SessionStore } from './serve.js'

export type StoreName = 'connect-pg-simple' | 'connect-redis' | 'memory' | 'this-store' | 'none'

export interface Built {
  store: SessionStore | undefined
  /**
   * Sets the sessions; default `store`. This store takes a session for a copy, and does not insert it, if it has loaded
   * one of this id. The benchmark empties the table between rounds and uses ids again.
   */
  filler?: SessionStore
  prune?: () => Promise<unknown>
}

/** @param workload `read` moves no expiry, so connect-pg-simple and connect-redis get `disableTouch`. */
export async function createStore (name: StoreName, workload: Workload): Promise<Built> {
  const disableTouch = workload === 'read'
  switch (name) {
    case 'connect-pg-simple': {
      const Store = connectPgSimple(expressSession)
      const store = new Store({ pool: pool(), disableTouch, createTableIfMissing: true, pruneSessionInterval: false })
      const prune = () => new Promise<void>((resolve, reject) => {
        store.pruneSessions((error: Error | null | undefined) => {
          if (error) reject(error)
          else resolve()
        })
      })
      return { store: store as unknown as SessionStore, prune }
    }
    case 'connect-redis': {
      const client = createClient({ url: requiredEnv('REDIS_URL') })
      client.on('error', (error: Error) => { throw error })
      await client.connect()
      return { store: new RedisStore({ client, disableTouch }) as unknown as SessionStore }
    }
    case 'memory': // the framework file uses its library's own
    case 'none':
      return { store: undefined }
    case 'this-store': {
      const { PgSessionStore } = await storePackage()
      const options = {
        pool: pool(),
        ttl: TTL_S,
        pruneSessionInterval: false as const,
        ...(process.env.SETTINGS === 'best' ? BEST_SETTINGS : {}),
        ...(process.env.HASH_IDS === 'true' ? { hashIds: 'a key that only the benchmark uses' } : {}),
        ...(process.env.TOUCH_INTERVAL === undefined ? {} : { touchInterval: Number(process.env.TOUCH_INTERVAL) })
      }
      const [store, filler] = [new PgSessionStore(options), new PgSessionStore(options)]
      await store.createTable()
      return {
        store: store as unknown as SessionStore,
        filler: filler as unknown as SessionStore,
        prune: () => store.prune()
      }
    }
  }
}

/** Of this store, for direct connections. Without them it has nothing but defaults. */
export const BEST_SETTINGS = { preparedStatements: true }

/** The package of this store: that of the current build, or of the module that `STORE_MODULE` names. */
export async function storePackage (): Promise<typeof thisBuild> {
  const { STORE_MODULE } = process.env
  return STORE_MODULE === undefined ? thisBuild : await import(STORE_MODULE) as typeof thisBuild
}

/** The same for all stores, with the default size of pg and of this server. */
export const pool = (): pg.Pool => new pg.Pool({ connectionString: requiredEnv('DATABASE_URL'), max: 10 })
