/**
 * A process that makes random calls of the store and records them. run.ts starts it.
 *
 * It reads the sessions of the other processes from its input, one per line, and ends after its share of calls.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionData } from '../../../../src/sessions/types.js'
import { PgSessionStore } from '../../../../src/sessions/store.js'
import { now, write, type Call, type Event, type Outcome, type Seen } from './events.js'
import { mutations, type Mutation } from './mutations.js'
import { testTable } from '../../../support/tables.js'

export interface WorkerOptions { url: string, name: number, operations: number, lanes: number, mutation?: Mutation }

/** A call that has not called back by then is recorded as `never`. */
const NEVER_MS = 15_000

/** The lifetimes of sessions. */
const [LONG_MS, SHORT_MS] = [3_600_000, 2000]

const SUBJECTS = Array.from({ length: 20 }, (_, i) => `subject-${i}`)
const KEY = 'a key of the history test, of 32 bytes or more'

const options = JSON.parse(process.argv[2] ?? '') as WorkerOptions
const { url, name, operations, lanes, mutation } = options

interface Known { sid: string, sub: string, short: boolean }

const known: Known[] = []
/** How many calls have succeeded. */
let done = 0
let calls = 0
let lines: string[] = []

const conObject = { connectionString: url, max: 4 }
const hashed = new PgSessionStore({
  conObject, hashIds: KEY, touchInterval: 0.5, pruneSessionInterval: 1, errorLog: () => {}
})
// Writes rows with legacy ids, which move to their hashed ids when they are used.
const plain = new PgSessionStore({
  conObject: { ...conObject, max: 1 },
  // Rows of the parent and of its child have the same `ctid`.
  ...(testTable === 'inherited' ? { tableName: 'session_child' } : {}),
  pruneSessionInterval: false,
  errorLog: () => {}
})
const store = mutation === undefined ? hashed : mutations[mutation](hashed)

const chance = (p: number): boolean => Math.random() < p
const pick = <T> (list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)]
const note = (event: Event): void => { lines.push(write(event)) }

/** Makes a call of the store and records its begin, its end and its outcome. */
async function call<Value> (
  what: Call,
  make: (callback: (error?: unknown, value?: Value) => void) => void,
  see?: (value: Value | undefined) => Seen | null
): Promise<{ outcome: Outcome, value?: Value | undefined }> {
  const n = ++calls
  return new Promise((resolve) => {
    let ended = false
    const end = (outcome: Outcome, error?: unknown, value?: Value) => {
      if (ended) {
        note({ type: 'again', at: now(), n })
        return
      }
      ended = true
      clearTimeout(timer)
      note({
        type: 'end', at: now(), n, outcome, ...(see === undefined || outcome !== 'ok' ? {} : { seen: see(value) }),
        ...(outcome === 'failed' ? { error: String(error) } : {})
      })
      if (outcome === 'ok') done++
      resolve({ outcome, value })
    }
    const timer = setTimeout(() => { end('never') }, NEVER_MS)
    note({ type: 'begin', at: now(), n, call: what })
    make((error, value) => {
      if (error === null || error === undefined) end('ok', undefined, value)
      else end((error as { code?: string }).code === 'ERR_DATABASE' ? 'unknown' : 'failed', error)
    })
  })
}

const seenIn = (session: SessionData | null | undefined): Seen | null => {
  if (session === null || session === undefined) return null
  const keys = Object.fromEntries(Object.entries(session).filter(([key]) => key.startsWith('k')))
  return { self: String(session['self']), keys: keys as Record<string, number> }
}

async function login (sub = pick(SUBJECTS) as string): Promise<Outcome> {
  const sid = randomBytes(12).toString('base64url')
  const short = chance(0.1)
  const ttlMs = short ? SHORT_MS : LONG_MS
  const session = { self: sid, user: { sub }, cookie: { originalMaxAge: ttlMs, expires: new Date(Date.now() + ttlMs) } }
  const writer = mutation === undefined && chance(0.3) ? plain : store
  const { outcome } = await call({ kind: 'login', sid, sub, ttlMs: short ? ttlMs : 0 }, (callback) => {
    writer.set(sid, session, callback)
  })
  if (outcome === 'ok') {
    known.push({ sid, sub, short })
    process.stderr.write(`${JSON.stringify({ sid, sub, short })}\n`)
  }
  return outcome
}

async function load (sid: string) {
  return call<SessionData | null>({ kind: 'read', sid }, (callback) => { store.get(sid, callback) }, seenIn)
}

/** Reads a session and may change it, as a request does. */
async function request (one: Known, key: string, steps: Map<string, number>): Promise<Outcome> {
  const { outcome, value: session } = await load(one.sid)
  if (outcome !== 'ok') return outcome
  if (session === null || session === undefined) {
    // An ended session is read a few more times, to see that it stays ended.
    if (chance(0.2)) forget(one)
    return outcome
  }
  if (one.short || chance(0.4)) return outcome
  if (chance(0.3)) await sleep(Math.random() * 30)
  const step = (steps.get(one.sid) ?? 0) + 1
  const deletes = key in session && chance(0.2)
  if (chance(0.1)) {
    session.cookie = { originalMaxAge: LONG_MS, expires: new Date(Date.now() + LONG_MS) }
    const touched = await call({ kind: 'touch', sid: one.sid }, (callback) => {
      store.touch(one.sid, session, callback)
    })
    return touched.outcome
  }
  steps.set(one.sid, step)
  if (deletes) Reflect.deleteProperty(session, key)
  else session[key] = step
  const written = await call({ kind: 'write', sid: one.sid, key, step, deletes }, (callback) => {
    store.set(one.sid, session, callback)
  })
  return written.outcome
}

async function logout ({ sid }: Known): Promise<Outcome> {
  return (await call({ kind: 'destroy', sid }, (callback) => { store.destroy(sid, callback) })).outcome
}

async function revoke ({ sid, sub }: Known): Promise<Outcome> {
  const except = chance(0.5) ? sid : null
  return (await call<number>({ kind: 'revoke', sub, except }, (callback) => {
    hashed.destroyByUser(sub, except === null ? {} : { except }).then((value) => { callback(null, value) }, callback)
  })).outcome
}

async function prune (): Promise<Outcome> {
  const pruned = await call<number>({ kind: 'prune' }, (callback) => {
    hashed.prune().then((value) => { callback(null, value) }, callback)
  })
  return pruned.outcome
}

function forget (one: Known): void {
  const index = known.indexOf(one)
  if (index !== -1) known.splice(index, 1)
}

async function step (key: string, steps: Map<string, number>): Promise<Outcome> {
  // Many workers choose the latest session, so that their calls collide.
  const one = chance(0.2) ? known.at(-1) : pick(known)
  if (one === undefined || known.length < 20) return login()
  if (chance(0.015)) return login()
  if (chance(0.012)) return logout(one)
  if (chance(0.004)) {
    const outcome = await logout(one) // a regeneration: the old session ends, then a new one begins
    return outcome === 'ok' ? login(one.sub) : outcome
  }
  if (chance(0.001)) return revoke(one)
  if (chance(0.002)) return prune()
  return request(one, key, steps)
}

/** One sequential caller, the only writer of its key. */
async function lane (index: number): Promise<void> {
  const steps = new Map<string, number>()
  while (done < operations) {
    const outcome = await step(`k${name}.${index}`, steps)
    if (outcome !== 'ok') await sleep(20 + Math.random() * 60)
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
    if (steps.size > 1000) steps.delete(steps.keys().next().value as string)
  }
}

function flush (): void {
  note({ type: 'quiet', at: now() })
  process.stdout.write(lines.join(''))
  lines = []
}

const flushing = setInterval(flush, 10)
const input = createInterface(process.stdin)
input.on('line', (line) => {
  if (line === 'stop') {
    done = Infinity
    return
  }
  known.push(JSON.parse(line) as Known)
  if (known.length > 200) known.shift()
})
await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)))
clearInterval(flushing)
input.close()
process.stdin.destroy()
await Promise.all([hashed.close(), plain.close()])
flush()
