/**
 * Latencies of sequential calls on one connection: this store's `get`, connect-pg-simple's, and as the lower
 * bound a `pool.query` by primary key. The contestants alternate, so that disturbances affect all of them.
 *
 * @module
 */
import connectPgSimple from 'connect-pg-simple'
import expressSession from 'express-session'
import pg from 'pg'
import { PgSessionStore } from '../../src/sessions/index.js'
import { idOf, sessionOf, TTL_S } from '../sample.js'
import { requiredEnv, settled } from './serve.js'

const CALLS_PER_ROUND = 100
const SESSIONS = 1000

const connectionString = requiredEnv('DATABASE_URL')
const rounds = Number(requiredEnv('ROUNDS'))
const newPool = () => new pg.Pool({ connectionString, max: 1 })
const plain = newPool()
const Simple = connectPgSimple(expressSession)
const simple = new Simple({ pool: newPool(), pruneSessionInterval: false })
const store = new PgSessionStore({ pool: newPool(), ttl: TTL_S, preparedStatements: true, pruneSessionInterval: false })
await store.createTable()
for (let n = 0; n < SESSIONS; n++) await settled((callback) => { store.set(idOf(n), sessionOf(n), callback) })

const contestants: Record<string, (id: string) => Promise<unknown>> = {
  'pool.query': async (id) => {
    const { rows } = await plain.query<{ sess: object }>('SELECT sess FROM session WHERE sid = $1', [id])
    return rows[0]
  },
  'this store': (id) => settled((callback) => { store.get(id, callback) }),
  'connect-pg-simple': (id) => settled((callback) => { simple.get(id, callback) })
}
const taken = Object.fromEntries(Object.keys(contestants).map((name) => [name, [] as number[]]))
for (let round = -Math.ceil(rounds / 5); round < rounds; round++) { // rounds below 0 are the warm-up
  for (const [name, get] of Object.entries(contestants)) {
    for (let i = 0; i < CALLS_PER_ROUND; i++) {
      const id = idOf(Math.abs((round * CALLS_PER_ROUND + i) * 7919) % SESSIONS)
      const start = performance.now()
      const found = await get(id)
      if (round >= 0) taken[name]?.push(performance.now() - start)
      if (found === null || found === undefined) throw new Error(`${name} found nothing`)
    }
  }
}
process.send?.({ taken }, () => { process.exit() })
