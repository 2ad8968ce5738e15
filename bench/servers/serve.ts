/**
 * A contestant's side of the messages between it and the benchmark.
 *
 * Servers of an older build are started with the same file names, variables and messages (`--baseline`), so
 * these must not change.
 *
 * @module
 */
import { idOf, sessionOf } from '../sample.js'

export interface SessionStore {
  get (id: string, callback: (error?: unknown, session?: object | null) => void): void
  set (id: string, session: object, callback: (error?: unknown) => void): void
  touch? (id: string, session: object, callback: (error?: unknown) => void): void
}

export interface Contestant {
  port: number
  /** The value of the `Cookie` header of the session with this id. */
  cookie: (id: string) => string
  store?: SessionStore | undefined
  /** Sets the sessions; default `store`. */
  filler?: SessionStore | undefined
  prune?: (() => Promise<unknown>) | undefined
}

/** Orders from the benchmark. */
export type Order =
  | { do: 'seed', count: number } // sets the sessions 0 to count - 1, and returns their cookies
  | { do: 'cookies', numbers: number[] } // returns the cookies of existing sessions
  | { do: 'touch', count: number, sessions: number } // calls `get` and `touch`, as a request does
  | { do: 'prune' }

export type Reply = { ready: number } | { id: number, done: unknown } | { id: number, failed: string }

/** Concurrent calls of the store. */
const LANES = 32

/** Reports the contestant's port to the benchmark and executes its orders. */
export function serve ({ port, cookie, store, filler = store, prune }: Contestant): void {
  const set = (id: string, session: object) => settled((callback) => { filler?.set(id, session, callback) })
  const touch = async (id: string) => {
    const session = await settled<object | null | undefined>((callback) => { store?.get(id, callback) })
    if (session === null || session === undefined) throw new Error('a session is missing')
    // express-session gives every request's cookie a new expiry before it calls `touch`.
    const { cookie } = session as ReturnType<typeof sessionOf>
    cookie.expires = new Date(Date.now() + Number(cookie.originalMaxAge))
    await settled((callback) => { store?.touch?.(id, session, callback) })
  }
  const execute = async (order: Order): Promise<unknown> => {
    if (order.do === 'cookies') return order.numbers.map((n) => cookie(idOf(n)))
    if (order.do === 'prune') return prune?.()
    if (order.do === 'touch') return inLanes(order.count, (n) => touch(idOf(n % order.sessions)))
    await inLanes(store === undefined ? 0 : order.count, (n) => set(idOf(n), sessionOf(n)))
    return Array.from({ length: order.count }, (_, n) => cookie(idOf(n)))
  }
  const reply = (message: Reply) => { process.send?.(message) }
  process.on('message', ({ id, ...order }: Order & { id: number }) => {
    execute(order).then(
      (done) => { reply({ id, done: done ?? null }) },
      (error: unknown) => { reply({ id, failed: (error as Error).stack ?? String(error) }) }
    )
  })
  process.on('disconnect', () => { process.exit() })
  reply({ ready: port })
}

async function inLanes (count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (next < count) await work(next++)
  }))
}

type Callback<Value> = (error?: unknown, value?: Value) => void

/** A promise for a function that takes a callback. */
export function settled<Value = void> (call: (callback: Callback<Value>) => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === undefined || error === null) resolve(value as Value)
      else reject(error instanceof Error ? error : new Error('the store failed', { cause: error }))
    })
  })
}

/** A variable that the benchmark sets. */
export function requiredEnv (name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: the benchmark starts this file`)
  return value
}
