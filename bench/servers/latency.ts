/**
 * One connection, one thing at a time: this store's `get` beside the least that anybody can do, a
 * `pool.query` by primary key, and beside connect-pg-simple's. In turns, so that noise hits all alike.
 *
 * @module
 */
import connectPgSimple from 'connect-pg-simple'
import expressSession from 'express-session'
import pg from 'pg'
import { PgSessionStore } from '../../src/sessions/store.js'
import { idOf, sessionOf, TTL } from '../sample.js'
import { given, settled } from './serve.js'

/** Calls before it is another's turn. */
const TURN = 100
const SESSIONS = 1000

const connectionString = given('DATABASE_URL')
const rounds = Number(given('ROUNDS'))
const pools = Array.from({ length: 3 }, () => new pg.Pool({ connectionString, max: 1 })) as [pg.Pool, pg.Pool, pg.Pool]
const Simple = connectPgSimple(expressSession)
const simple = new Simple({ pool: pools[2], pruneSessionInterval: false })
const store = new PgSessionStore({ pool: pools[1], ttl: TTL, preparedStatements: true, pruneSessionInterval: false })
await store.createTable()
for (let n = 0; n < SESSIONS; n++) await settled((callback) => { store.set(idOf(n), sessionOf(n), callback) })

const contestants: Record<string, (id: string) => Promise<unknown>> = {
  'pool.query': async (id) => (await pools[0].query<{ sess: object }>('SELECT sess FROM session WHERE sid = $1', [id])).rows[0],
  'this store': (id) => settled((callback) => { store.get(id, callback) }),
  'connect-pg-simple': (id) => settled((callback) => { simple.get(id, callback) })
}
const taken = Object.fromEntries(Object.keys(contestants).map((name) => [name, [] as number[]]))
for (let round = -Math.ceil(rounds / 5); round < rounds; round++) { // the first fifth is warm-up
  for (const [name, get] of Object.entries(contestants)) {
    for (let i = 0; i < TURN; i++) {
      const id = idOf(Math.abs((round * TURN + i) * 7919) % SESSIONS)
      const start = performance.now()
      const found = await get(id)
      if (round >= 0) taken[name]?.push(performance.now() - start)
      if (found === null || found === undefined) throw new Error(`${name} found nothing`)
    }
  }
}
process.send?.({ taken }, () => { process.exit() })
