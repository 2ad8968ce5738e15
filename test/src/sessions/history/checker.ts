import type { Call, Event, Seen } from './events.js'

/** The store's deadline for a call, and what a busy machine may add, in microseconds. */
const DEADLINE = 6_000_000 + 2_500_000

/** How long something is remembered that nothing refers to any more, in microseconds: longer than any call takes. */
const MEMORY = 2 * DEADLINE

/** How exact the database's `now()` and ours are compared, in microseconds. */
const CLOCKS = 500_000

/** How many violations of one rule are told. */
const ENOUGH = 100

export interface Violation { rule: string, detail: string }

/** The steps of one key's only writer, oldest first. */
interface Step { step: number, deletes: boolean, ackedAt: number }

interface Session {
  sub: string
  /** When its login began and was acknowledged. */
  bornFrom: number
  bornAt: number
  /** Infinity, or when it expires by itself, at the earliest and at the latest. */
  expiresFrom: number
  expiresAt: number
  /** When something began that may end it. */
  endingFrom: number
  /** From when on it is certain to be gone. */
  goneAt: number
  keys: Map<string, Step[]>
}

interface Pending { call: Call, at: number, /** Of a revocation: those that it must end. */ doomed: Session[] }

/**
 * Judges a history of calls of the store, event by event in the order of time.
 *
 * A call whose outcome is unknown may have happened or not; from the first read on that shows which, it has.
 */
export class Checker {
  /** At most `ENOUGH` of each rule. */
  readonly violations: Violation[] = []
  readonly counts: Record<string, number> = {}
  readonly #sessions = new Map<string, Session>()
  readonly #pending = new Map<string, Pending>()
  readonly #told = new Map<string, number>()
  #nextSweep = 0

  /** @param worker whose event it is: the calls of each are numbered on their own. */
  take (worker: number, event: Event): void {
    if (event.type === 'quiet') return
    const id = `${worker}:${event.n}`
    if (event.type === 'begin') this.#begin(id, event.call, event.at)
    else if (event.type === 'again') this.#violated('every call calls back once', `call ${id} called back again`)
    else this.#end(id, event)
    if (event.at >= this.#nextSweep) this.#sweep(event.at)
  }

  /** After the last event. */
  finish (): void {
    for (const [id, { call }] of this.#pending) this.#violated('every call calls back once', `${id} ${call.kind} never came back`)
  }

  /** What is remembered, to see that it stays bounded. */
  get size (): number {
    return this.#sessions.size + this.#pending.size
  }

  #begin (id: string, call: Call, at: number): void {
    const pending: Pending = { call, at, doomed: [] }
    this.#pending.set(id, pending)
    switch (call.kind) {
      case 'login': {
        const revoked = [...this.#pending.values()].some(({ call: other }) => other.kind === 'revoke' && other.sub === call.sub)
        this.#sessions.set(call.sid, {
          sub: call.sub, bornFrom: at, bornAt: Infinity, expiresFrom: Infinity, expiresAt: Infinity,
          endingFrom: revoked ? at : Infinity, goneAt: Infinity, keys: new Map()
        })
        break
      }
      case 'destroy': {
        const session = this.#sessions.get(call.sid)
        if (session !== undefined) session.endingFrom = Math.min(session.endingFrom, at)
        break
      }
      case 'revoke':
        for (const [sid, session] of this.#sessions) {
          if (session.sub !== call.sub || sid === call.except) continue
          session.endingFrom = Math.min(session.endingFrom, at)
          if (session.bornAt < at) pending.doomed.push(session)
        }
        break
      case 'write': {
        const session = this.#sessions.get(call.sid)
        const steps = session?.keys.get(call.key) ?? []
        steps.push({ step: call.step, deletes: call.deletes, ackedAt: Infinity })
        session?.keys.set(call.key, steps)
      }
    }
  }

  #end (id: string, event: Extract<Event, { type: 'end' }>): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) { this.#violated('every call calls back once', `call ${id} ended again`); return }
    this.#pending.delete(id)
    const { call, at: from, doomed } = pending
    const { at, outcome } = event
    const name = `${call.kind} ${outcome}`
    this.counts[name] = (this.counts[name] ?? 0) + 1
    if (at - from > DEADLINE || outcome === 'never') this.#violated('every call ends by the deadline', `${id} ${call.kind} took ${(at - from) / 1e6} s`)
    if (outcome === 'failed') this.#violated('a call fails with ERR_DATABASE only', `${id} ${call.kind}: ${event.error ?? ''}`)
    if (outcome !== 'ok') return
    switch (call.kind) {
      case 'login': {
        const session = this.#sessions.get(call.sid)
        if (session === undefined) break
        session.bornAt = at
        if (call.ttlMs > 0) Object.assign(session, { expiresFrom: from + call.ttlMs * 1000 - CLOCKS, expiresAt: at + call.ttlMs * 1000 + CLOCKS })
        break
      }
      case 'read': this.#judge(call.sid, event.seen ?? null, from, at); break
      case 'destroy': this.#gone(this.#sessions.get(call.sid), at); break
      case 'revoke': for (const session of doomed) this.#gone(session, at); break
      case 'write': {
        const step = this.#sessions.get(call.sid)?.keys.get(call.key)?.find(({ step }) => step === call.step)
        if (step !== undefined) step.ackedAt = at
      }
    }
  }

  #gone (session: Session | undefined, at: number): void {
    if (session !== undefined) session.goneAt = Math.min(session.goneAt, at)
  }

  #judge (sid: string, seen: Seen | null, from: number, to: number): void {
    const session = this.#sessions.get(sid)
    if (seen === null) {
      if (session === undefined) return
      if (session.bornAt < from && session.endingFrom > to && session.expiresFrom > to) this.#violated('a session lives until it is ended', `${sid} is missing`)
      // Gone is gone, also when nobody knew that the call that ended it had happened.
      if (session.bornAt < from) this.#gone(session, to)
      return
    }
    if (seen.self !== sid) this.#violated('no session is served under another\'s id', `${sid} gave ${seen.self}`)
    if (session === undefined) { this.#violated('an ended session stays ended', `${sid} is back, long after its end`); return }
    if (session.goneAt < from) this.#violated('an ended session stays ended', `${sid} was read ${(from - session.goneAt) / 1000} ms after its end`)
    if (session.expiresAt < from) this.#violated('an expired session is not served', `${sid} was read ${(from - session.expiresAt) / 1000} ms after its expiry`)
    for (const [key, steps] of session.keys) this.#judgeKey(`${sid} ${key}`, steps, seen.keys[key], from)
    for (const key of Object.keys(seen.keys)) {
      if (!session.keys.has(key)) this.#violated('nothing is served that nobody wrote', `${sid} ${key}`)
    }
  }

  /** A read sees the last step that was acknowledged before it began, or one that began later. */
  #judgeKey (name: string, steps: Step[], value: number | undefined, from: number): void {
    const last = steps.findLastIndex(({ ackedAt }) => ackedAt < from)
    const possible = steps.slice(Math.max(last, 0))
    const matches = possible.some(({ step, deletes }) => deletes ? value === undefined : value === step)
    if (matches || (last === -1 && value === undefined)) return
    const acked = last === -1 ? undefined : steps[last]
    if (acked?.deletes === true && value !== undefined && value < acked.step) this.#violated('a deleted key stays deleted', `${name} is ${value}, deleted in step ${acked.step}`)
    else this.#violated('no acknowledged write is lost', `${name} is ${value ?? 'missing'}, and was ${acked?.step ?? 'nothing'} before`)
  }

  /** Tells the first of each rule: one that is broken all the time must not crowd out another. */
  #violated (rule: string, detail: string): void {
    const told = this.#told.get(rule) ?? 0
    if (told === ENOUGH) return
    this.#told.set(rule, told + 1)
    this.violations.push({ rule, detail })
  }

  /** Forgets what no call that is under way can depend on. */
  #sweep (at: number): void {
    this.#nextSweep = at + 1_000_000
    const old = at - MEMORY
    for (const [sid, session] of this.#sessions) {
      // A login whose outcome is unknown is nobody's: its id was never told.
      if (session.goneAt < old || session.expiresAt < old || (session.bornAt === Infinity && session.bornFrom < old)) this.#sessions.delete(sid)
      for (const steps of session.keys.values()) {
        const last = steps.findLastIndex(({ ackedAt }) => ackedAt < old)
        if (last > 0) steps.splice(0, last)
      }
    }
  }
}
