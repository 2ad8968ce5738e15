/**
 * The heap that waiting calls of this store take, while a lock on the table stalls every statement.
 *
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import pg from 'pg'
import { idOf, sessionOf, TTL_S } from '../sample.js'
import { requiredEnv, settled } from './serve.js'
import { BEST_SETTINGS, pool, storePackage } from './stores.js'

/** Calls that wait at the same time. */
const CALLS = 10_000

/** Sessions that are stored at the same time before the measurement. */
const LANES = 500

/** Time for the first batches to be sent, in milliseconds. Well below the deadline of a call. */
const SENT_MS = 200

/** Time for what has ended to become garbage, in milliseconds. */
const SETTLED_MS = 50

export interface HeapReport {
  /** Bytes of heap per waiting call. */
  get: number
  /** Of a session that was loaded and changed. */
  set: number
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const { PgSessionStore } = await storePackage()
const connections = pool()
const store = new PgSessionStore({ pool: connections, ttl: TTL_S, pruneSessionInterval: false, ...BEST_SETTINGS })
const blocker = new pg.Client(requiredEnv('DATABASE_URL'))
await blocker.connect()
await store.createTable()

const ids = Array.from({ length: CALLS }, (_, n) => idOf(n))
type Session = ReturnType<typeof sessionOf>
const get = (id: string) => settled<Session>((callback) => { store.get(id, callback as never) })
const set = (id: string, session: Session) => settled((callback) => { store.set(id, session, callback) })

for (let n = 0; n < CALLS; n += LANES) {
  await Promise.all(ids.slice(n, n + LANES).map((id, index) => set(id, sessionOf(n + index))))
}
const waitingGet = (id: string, callback: (error?: unknown) => void) => { store.get(id, callback) }
await bytesPerCall(ids, waitingGet) // the first calls fill caches
const gets = await bytesPerCall(ids, waitingGet)
const loaded = await Promise.all(ids.map(async (id) => {
  const session = await get(id)
  session['n'] = 1
  return { id, session }
}))
const sets = await bytesPerCall(loaded, ({ id, session }, callback) => { store.set(id, session, callback) })
process.send?.({ get: gets, set: sets } satisfies HeapReport, () => { process.exit() })

/**
 * All calls have the same callback, so that only the store's own objects count.
 *
 * @throws if a call fails.
 */
async function bytesPerCall<Input> (
  inputs: Input[], call: (input: Input, callback: (error?: unknown) => void) => void
): Promise<number> {
  await forgetResults()
  await blocker.query('BEGIN; LOCK TABLE session IN ACCESS EXCLUSIVE MODE')
  const before = usedBytes()
  let waiting = inputs.length
  let bytes = NaN
  await settled((done) => {
    const callback = (error?: unknown) => {
      if (Number.isNaN(bytes)) done(error ?? new Error('a call did not wait'))
      else if (error !== undefined && error !== null) done(error)
      else if (--waiting === 0) done()
    }
    for (const input of inputs) call(input, callback)
    void wait(SENT_MS).then(() => {
      bytes = (usedBytes() - before) / inputs.length
      return blocker.query('ROLLBACK')
    })
  })
  return bytes
}

/** A connection keeps the result of its last query until the next one. */
async function forgetResults (): Promise<void> {
  await Promise.all(Array.from({ length: connections.totalCount }, () => connections.query('SELECT 1')))
  await wait(SETTLED_MS)
}

function usedBytes (): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
