import type { LoadedRow } from './loaded.js'
import type { Settings } from './options.js'
import { isAbsent } from './serialise.js'
import type { SessionData } from './types.js'

/** The last moment that a Date can hold, in milliseconds since 1970. */
export const MAX_MS = 8.64e15

type LifetimeSettings = Pick<Settings, 'ttlMs' | 'touchIntervalMs' | 'absoluteTtlMs'>

/** How long sessions live, by the store's options. */
export class Lifetimes {
  readonly #ttlMs: number
  readonly #touchIntervalMs: number
  /** The absolute lifetime, or null. */
  readonly absoluteMs: number | null

  constructor ({ ttlMs, touchIntervalMs, absoluteTtlMs }: LifetimeSettings) {
    this.#ttlMs = ttlMs
    this.#touchIntervalMs = touchIntervalMs
    this.absoluteMs = absoluteTtlMs ?? null
  }

  /**
   * The idle lifetime and the latest expiry of a session that was created at `createdMs`, as
   * statements take them.
   */
  of (session: SessionData, createdMs: number | null): { durationMs: number, limitMs: number | null } {
    return { durationMs: this.durationMs(session), limitMs: this.limitMs(createdMs) }
  }

  /** The idle lifetime from now: up to the expiry of the session's cookie, or `ttl`. */
  durationMs ({ cookie }: SessionData): number {
    const expires = cookie?.expires
    if (isAbsent(expires)) return this.#ttlMs
    const durationMs = timeOf(expires) - Date.now()
    return Number.isFinite(durationMs) ? Math.max(durationMs, 0) : this.#ttlMs
  }

  /**
   * The end of the absolute lifetime, in milliseconds since 1970 on the database's clock; null:
   * none.
   */
  limitMs (createdMs: number | null): number | null {
    if (this.absoluteMs === null || createdMs === null) return null
    return Math.min(Math.max(createdMs + this.absoluteMs, 0), MAX_MS)
  }

  /** Which lifetime has ended of a row; null: neither. Times as in {@link limitMs}. */
  endedBy (
    { expireMs, createdMs, nowMs }: { expireMs: number, createdMs: number | null, nowMs: number }
  ): 'idle' | 'absolute' | null {
    const limitMs = this.limitMs(createdMs) ?? Infinity
    if (Math.min(expireMs, limitMs) > nowMs) return null
    // PostgreSQL rounds the limit to microseconds.
    return expireMs >= limitMs - 1 ? 'absolute' : 'idle'
  }

  /** Whether the expiry of a session in use has to be moved. */
  isTouchDue (session: SessionData, loaded: LoadedRow): boolean {
    const { expireMs, createdMs } = loaded
    return this.isDue({ nowMs: loaded.databaseNow(), expireMs, createdMs }, this.durationMs(session))
  }

  /** The same for a row. Times as in {@link limitMs}; `durationMs` is the idle lifetime, by default `ttl`. */
  isDue (
    { nowMs, expireMs, createdMs }: { nowMs: number, expireMs: number, createdMs: number | null },
    durationMs = this.#ttlMs
  ): boolean {
    const limitMs = this.limitMs(createdMs)
    const wantedMs = Math.min(nowMs + durationMs, limitMs ?? Infinity)
    const gainMs = Math.abs(wantedMs - expireMs)
    // Close to the absolute limit the gain is small: the last touch, which reaches the limit, is
    // always due.
    const minGainMs = wantedMs === limitMs ? 1 : Math.min(this.#touchIntervalMs, durationMs / 2)
    return gainMs >= minGainMs
  }
}

const timeOf = (time: Date | string): number =>
  time instanceof Date ? time.getTime() : new Date(time).getTime()
