import type { Call, Event, Seen } from './events.js'

/** The store's deadline for a call, plus an allowance for a busy machine. In microseconds. */
const DEADLINE_US = 6_000_000 + 2_500_000

/** How long an ended session is kept, in microseconds. Longer than any call takes. */
const RETENTION_US = 2 * DEADLINE_US

/** The largest difference between the database's clock and ours, in microseconds. */
const CLOCK_TOLERANCE_US = 500_000

/** The most violations of one rule that are reported. */
const MAX_VIOLATIONS = 100

export interface Violation { rule: string, detail: string }

/** A step of a key's only writer. */
interface Step { step: number, deletes: boolean, ackedAt: number }

interface Session {
  sub: string
  /** When its login began and was acknowledged. */
  bornFrom: number
  bornAt: number
  /** The earliest and the latest time of its expiry, or Infinity. */
  expiresFrom: number
  expiresAt: number
  /** When the first call that may end it began. */
  endingFrom: number
  /** The time after which it cannot exist. */
  goneAt: number
  keys: Map<string, Step[]>
}

interface Pending {
  call: Call
  at: number
  /** The sessions that a revocation must end. */
  doomed: Session[]
}

/**
 * Checks a history of calls of the store, event by event in the order of time.
 *
 * A call whose outcome is unknown may have happened or not. The first read that shows the outcome settles it.
 */
export class Checker {
  /** At most `MAX_VIOLATIONS` of each rule. */
  readonly violations: Violation[] = []
  readonly counts: Record<string, number> = {}
  readonly #sessions = new Map<string, Session>()
  readonly #pending = new Map<string, Pending>()
  readonly #reported = new Map<string, number>()
  #nextSweep = 0

  /** @param worker the source of the event. Each worker numbers its own calls. */
  take (worker: number, event: Event): void {
    if (event.type === 'quiet') return
    const id = `${worker}:${event.n}`
    if (event.type === 'begin') this.#begin(id, event.call, event.at)
    else if (event.type === 'again') this.#violated('every call calls back once', `call ${id} called back again`)
    else this.#end(id, event)
    if (event.at >= this.#nextSweep) this.#sweep(event.at)
  }

  /** To be called after the last event. */
  finish (): void {
    for (const [id, { call }] of this.#pending) {
      this.#violated('every call calls back once', `${id} ${call.kind} never called back`)
    }
  }

  /** How many sessions and calls are kept. */
  get size (): number {
    return this.#sessions.size + this.#pending.size
  }

  #begin (id: string, call: Call, at: number): void {
    const pending: Pending = { call, at, doomed: [] }
    this.#pending.set(id, pending)
    switch (call.kind) {
      case 'login': {
        const revoked = [...this.#pending.values()]
          .some(({ call: other }) => other.kind === 'revoke' && other.sub === call.sub)
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
    if (pending === undefined) {
      this.#violated('every call calls back once', `call ${id} ended again`)
      return
    }
    this.#pending.delete(id)
    const { call, at: from, doomed } = pending
    const { at, outcome } = event
    const name = `${call.kind} ${outcome}`
    this.counts[name] = (this.counts[name] ?? 0) + 1
    if (at - from > DEADLINE_US || outcome === 'never') {
      this.#violated('every call ends by the deadline', `${id} ${call.kind} took ${(at - from) / 1e6} s`)
    }
    if (outcome === 'failed') {
      this.#violated('a call fails with ERR_DATABASE only', `${id} ${call.kind}: ${event.error ?? ''}`)
    }
    if (outcome !== 'ok') return
    switch (call.kind) {
      case 'login': {
        const session = this.#sessions.get(call.sid)
        if (session === undefined) break
        session.bornAt = at
        if (call.ttlMs > 0) {
          session.expiresFrom = from + call.ttlMs * 1000 - CLOCK_TOLERANCE_US
          session.expiresAt = at + call.ttlMs * 1000 + CLOCK_TOLERANCE_US
        }
        break
      }
      case 'read':
        this.#judge(call.sid, event.seen ?? null, from, at)
        break
      case 'destroy':
        this.#gone(this.#sessions.get(call.sid), at)
        break
      case 'revoke':
        for (const session of doomed) this.#gone(session, at)
        break
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
      if (session.bornAt < from && session.endingFrom > to && session.expiresFrom > to) {
        this.#violated('a session lives until it is ended', `${sid} is missing`)
      }
      // A missing session must stay missing, even if the outcome of the call that ended it is unknown.
      if (session.bornAt < from) this.#gone(session, to)
      return
    }
    if (seen.self !== sid) this.#violated('no session is served under another\'s id', `${sid} gave ${seen.self}`)
    if (session === undefined) {
      this.#violated('an ended session stays ended', `${sid} was read long after its end`)
      return
    }
    const { goneAt, expiresAt } = session
    if (goneAt < from) {
      this.#violated('an ended session stays ended', `${sid} was read ${(from - goneAt) / 1000} ms after its end`)
    }
    if (expiresAt < from) {
      const lateMs = (from - expiresAt) / 1000
      this.#violated('an expired session is not served', `${sid} was read ${lateMs} ms after its expiry`)
    }
    for (const [key, steps] of session.keys) this.#judgeKey(`${sid} ${key}`, steps, seen.keys[key], from)
    for (const key of Object.keys(seen.keys)) {
      if (!session.keys.has(key)) this.#violated('only written keys are served', `${sid} ${key}`)
    }
  }

  /** A read sees the last step that was acknowledged before it began, or one that began later. */
  #judgeKey (name: string, steps: Step[], value: number | undefined, from: number): void {
    const last = steps.findLastIndex(({ ackedAt }) => ackedAt < from)
    const possible = steps.slice(Math.max(last, 0))
    const matches = possible.some(({ step, deletes }) => deletes ? value === undefined : value === step)
    if (matches || (last === -1 && value === undefined)) return
    const acked = last === -1 ? undefined : steps[last]
    if (acked?.deletes === true && value !== undefined && value < acked.step) {
      this.#violated('a deleted key stays deleted', `${name} is ${value}, deleted in step ${acked.step}`)
    } else {
      const was = acked?.step ?? 'missing'
      this.#violated('no acknowledged write is lost', `${name} is ${value ?? 'missing'}, and was ${was} before`)
    }
  }

  /** Reports the first violations of each rule, so that one rule cannot crowd out another. */
  #violated (rule: string, detail: string): void {
    const reported = this.#reported.get(rule) ?? 0
    if (reported === MAX_VIOLATIONS) return
    this.#reported.set(rule, reported + 1)
    this.violations.push({ rule, detail })
  }

  /** Drops what no pending call can depend on. */
  #sweep (at: number): void {
    this.#nextSweep = at + 1_000_000
    const old = at - RETENTION_US
    for (const [sid, session] of this.#sessions) {
      // No caller uses the id of a login whose outcome is unknown.
      const isUnknown = session.bornAt === Infinity && session.bornFrom < old
      if (session.goneAt < old || session.expiresAt < old || isUnknown) this.#sessions.delete(sid)
      for (const steps of session.keys.values()) {
        const last = steps.findLastIndex(({ ackedAt }) => ackedAt < old)
        if (last > 0) steps.splice(0, last)
      }
    }
  }
}
