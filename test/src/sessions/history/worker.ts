/**
 * A process of its own that uses the store at random and writes down what it did. Started by run.ts.
 *
 * It hears of the other processes' sessions on its input, one a line, and ends once it has done its share.
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

export interface WorkerOptions { url: string, name: number, operations: number, lanes: number, mutation?: Mutation }

/** A call that has not come back by then never will, in milliseconds. */
const NEVER = 15_000

/** How long a session lives that nobody keeps alive, in milliseconds. */
const [LONG, SHORT] = [3_600_000, 2000]

const SUBJECTS = Array.from({ length: 20 }, (_, i) => `subject-${i}`)
const KEY = 'a key of the history test, of 32 bytes or more'

const options = JSON.parse(process.argv[2] ?? '') as WorkerOptions
const { url, name, operations, lanes, mutation } = options

interface Known { sid: string, sub: string, short: boolean }

const known: Known[] = []
/** The calls that have come back with an answer. */
let done = 0
let calls = 0
let lines: string[] = []

const conObject = { connectionString: url, max: 4 }
const hashed = new PgSessionStore({ conObject, hashIds: KEY, touchInterval: 0.5, pruneSessionInterval: 1, errorLog: () => {} })
// As rows from before the ids were hashed: they are upgraded as they are used.
const plain = new PgSessionStore({ conObject: { ...conObject, max: 1 }, pruneSessionInterval: false, errorLog: () => {} })
const store = mutation === undefined ? hashed : mutations[mutation](hashed)

const chance = (p: number): boolean => Math.random() < p
const pick = <T> (list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)]
const note = (event: Event): void => { lines.push(write(event)) }

/** Makes a call of the store, and notes when it began, when it ended and how. */
async function call<Value> (what: Call, make: (callback: (error?: unknown, value?: Value) => void) => void, see?: (value: Value | undefined) => Seen | null): Promise<{ outcome: Outcome, value?: Value | undefined }> {
  const n = ++calls
  return new Promise((resolve) => {
    let came = false
    const end = (outcome: Outcome, error?: unknown, value?: Value) => {
      if (came) { note({ type: 'again', at: now(), n }); return }
      came = true
      clearTimeout(timer)
      note({
        type: 'end', at: now(), n, outcome, ...(see === undefined || outcome !== 'ok' ? {} : { seen: see(value) }),
        ...(outcome === 'failed' ? { error: String(error) } : {})
      })
      if (outcome === 'ok') done++
      resolve({ outcome, value })
    }
    const timer = setTimeout(() => { end('never') }, NEVER)
    note({ type: 'begin', at: now(), n, call: what })
    make((error, value) => {
      if (error === null || error === undefined) end('ok', undefined, value)
      else end((error as { code?: string }).code === 'ERR_DATABASE' ? 'unknown' : 'failed', error)
    })
  })
}

const seenIn = (session: SessionData | null | undefined): Seen | null => session === null || session === undefined
  ? null
  : { self: String(session['self']), keys: Object.fromEntries(Object.entries(session).filter(([key]) => key.startsWith('k'))) as Record<string, number> }

async function login (sub = pick(SUBJECTS) as string): Promise<Outcome> {
  const sid = randomBytes(12).toString('base64url')
  const short = chance(0.1)
  const ttlMs = short ? SHORT : LONG
  const session = { self: sid, user: { sub }, cookie: { originalMaxAge: ttlMs, expires: new Date(Date.now() + ttlMs) } }
  const writer = mutation === undefined && chance(0.3) ? plain : store
  const { outcome } = await call({ kind: 'login', sid, sub, ttlMs: short ? ttlMs : 0 }, (callback) => { writer.set(sid, session, callback) })
  if (outcome === 'ok') {
    known.push({ sid, sub, short })
    process.stderr.write(`${JSON.stringify({ sid, sub, short })}\n`)
  }
  return outcome
}

async function load (sid: string) {
  return call<SessionData | null>({ kind: 'read', sid }, (callback) => { store.get(sid, callback) }, seenIn)
}

/** As a request does: it reads, works, and writes if it changed something. */
async function request (one: Known, key: string, steps: Map<string, number>): Promise<Outcome> {
  const { outcome, value: session } = await load(one.sid)
  if (outcome !== 'ok') return outcome
  if (session === null || session === undefined) {
    // An ended session is looked at a few times more: it must not come back.
    if (chance(0.2)) forget(one)
    return outcome
  }
  if (one.short || chance(0.4)) return outcome
  if (chance(0.3)) await sleep(Math.random() * 30)
  const step = (steps.get(one.sid) ?? 0) + 1
  const deletes = key in session && chance(0.2)
  if (chance(0.1)) {
    session.cookie = { originalMaxAge: LONG, expires: new Date(Date.now() + LONG) }
    return (await call({ kind: 'touch', sid: one.sid }, (callback) => { store.touch(one.sid, session, callback) })).outcome
  }
  steps.set(one.sid, step)
  if (deletes) Reflect.deleteProperty(session, key)
  else session[key] = step
  return (await call({ kind: 'write', sid: one.sid, key, step, deletes }, (callback) => { store.set(one.sid, session, callback) })).outcome
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
  return (await call<number>({ kind: 'prune' }, (callback) => { hashed.prune().then((value) => { callback(null, value) }, callback) })).outcome
}

function forget (one: Known): void {
  const index = known.indexOf(one)
  if (index !== -1) known.splice(index, 1)
}

async function step (key: string, steps: Map<string, number>): Promise<Outcome> {
  // The latest is new to all: many meet there.
  const one = chance(0.2) ? known.at(-1) : pick(known)
  if (one === undefined || known.length < 20) return login()
  if (chance(0.015)) return login()
  if (chance(0.012)) return logout(one)
  if (chance(0.004)) {
    const outcome = await logout(one) // a regeneration: the old one is ended, then there is a new one
    return outcome === 'ok' ? login(one.sub) : outcome
  }
  if (chance(0.001)) return revoke(one)
  if (chance(0.002)) return prune()
  return request(one, key, steps)
}

/** One caller: its calls follow one another, and its key is its own. */
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
  if (line === 'stop') { done = Infinity; return }
  known.push(JSON.parse(line) as Known)
  if (known.length > 200) known.shift()
})
await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)))
clearInterval(flushing)
input.close()
process.stdin.destroy()
await Promise.all([hashed.close(), plain.close()])
flush()
