/**
 * One contestant in a process of its own, and how the benchmark speaks to it.
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
  prune?: (() => Promise<unknown>) | undefined
}

/** What the benchmark asks of a contestant. */
export type Order =
  | { do: 'seed', count: number } // sessions 0 to count - 1, through the store's own `set`
  | { do: 'cookies', numbers: number[] } // of sessions that are there
  | { do: 'touch', count: number, sessions: number } // `get` and `touch` in turn, as a request does
  | { do: 'prune' }

export type Reply = { ready: number } | { id: number, done: unknown } | { id: number, failed: string }

/** Calls of the store under way at once while seeding. */
const LANES = 32

/** Tells the benchmark where the contestant listens, and does what it asks. */
export function serve ({ port, cookie, store, prune }: Contestant): void {
  const set = (id: string, session: object) => settled((callback) => { store?.set(id, session, callback) })
  const touch = async (id: string) => {
    const session = await settled<object | null | undefined>((callback) => { store?.get(id, callback) })
    if (session === null || session === undefined) throw new Error('a session is gone')
    // express-session gives every request's cookie a new expiry before it calls `touch`.
    const { cookie } = session as ReturnType<typeof sessionOf>
    cookie.expires = new Date(Date.now() + Number(cookie.originalMaxAge))
    await settled((callback) => { store?.touch?.(id, session, callback) })
  }
  const obey = async (order: Order): Promise<unknown> => {
    if (order.do === 'cookies') return order.numbers.map((n) => cookie(idOf(n)))
    if (order.do === 'prune') return prune?.()
    if (order.do === 'touch') return inLanes(order.count, (n) => touch(idOf(n % order.sessions)))
    await inLanes(store === undefined ? 0 : order.count, (n) => set(idOf(n), sessionOf(n)))
    return Array.from({ length: order.count }, (_, n) => cookie(idOf(n)))
  }
  const reply = (message: Reply) => { process.send?.(message) }
  process.on('message', ({ id, ...order }: Order & { id: number }) => {
    obey(order).then((done) => { reply({ id, done: done ?? null }) }, (error: unknown) => { reply({ id, failed: (error as Error).stack ?? String(error) }) })
  })
  process.on('disconnect', () => { process.exit() })
  reply({ ready: port })
}

async function inLanes (count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: LANES }, async () => { while (next < count) await work(next++) }))
}

/** What `call` calls back. */
export function settled<Value = void> (call: (callback: (error?: unknown, value?: Value) => void) => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === undefined || error === null) resolve(value as Value)
      else reject(error instanceof Error ? error : new Error('the store failed', { cause: error }))
    })
  })
}

/** A variable that the benchmark sets. */
export function given (name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: this file is started by the benchmark`)
  return value
}
