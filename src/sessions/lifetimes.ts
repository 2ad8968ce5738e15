import type { LoadedRow } from './loaded.js'
import type { Settings } from './options.js'
import type { SessionData } from './serialise.js'

/** The last moment that a Date can hold, in milliseconds since 1970. */
export const MAX_MS = 8.64e15

/** How long sessions live, as the options have it. */
export class Lifetimes {
  readonly #ttlMs: number
  readonly #touchIntervalMs: number
  /** Null: there is no absolute lifetime. */
  readonly absoluteMs: number | null

  constructor ({ ttlMs, touchIntervalMs, absoluteTtlMs }: Pick<Settings, 'ttlMs' | 'touchIntervalMs' | 'absoluteTtlMs'>) {
    this.#ttlMs = ttlMs
    this.#touchIntervalMs = touchIntervalMs
    this.absoluteMs = absoluteTtlMs ?? null
  }

  /** How long the session may idle, and when it ends at the latest, as a statement takes them. */
  of (session: SessionData): { durationMs: number, limitMs: number | null } {
    return { durationMs: this.durationMs(session), limitMs: this.limitMs(session) }
  }

  /** How long the session may idle from now: what its cookie says, or `ttl`. */
  durationMs ({ cookie }: SessionData): number {
    if (cookie?.expires === undefined || cookie.expires === null) return this.#ttlMs
    const durationMs = new Date(cookie.expires).getTime() - Date.now()
    return Number.isFinite(durationMs) ? Math.max(durationMs, 0) : this.#ttlMs
  }

  /** When the absolute lifetime ends, in milliseconds since 1970 on the database's clock; null: never. */
  limitMs ({ createdAt }: SessionData): number | null {
    if (this.absoluteMs === null || typeof createdAt !== 'number') return null
    return Math.min(Math.max(createdAt + this.absoluteMs, 0), MAX_MS)
  }

  /** Whether the expiry of a session that is in use has to be moved. */
  isTouchDue (session: SessionData, loaded: LoadedRow): boolean {
    const { durationMs, limitMs } = this.of(session)
    const wanted = Math.min(loaded.databaseNow() + durationMs, limitMs ?? Infinity)
    const gain = Math.abs(wanted - loaded.expireMs)
    // Close to the absolute limit the gain stays small: the last touch, which reaches it, is due whatever it gains.
    return gain >= (wanted === limitMs ? 1 : Math.min(this.#touchIntervalMs, durationMs / 2))
  }
}
