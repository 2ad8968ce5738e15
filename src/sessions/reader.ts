import { attachRow } from './attached.js'
import { MAX_MS, type Lifetimes } from './lifetimes.js'
import { LoadedRow } from './loaded.js'
import type { RecentRows } from './recent-rows.js'
import { isAbsent, lifetimeOf, parse } from './serialise.js'
import type { LiveRow } from './statements/live-row.js'
import type { OwnData } from './statements/own-data.js'
import type { LoadedSession, SessionData } from './types.js'

/** How far clocks of a process and of the database may differ, in milliseconds. */
const CLOCK_TOLERANCE_MS = 60_000

/** Makes session objects from rows. */
export class SessionReader {
  readonly #table: string
  readonly #lifetimes: Lifetimes
  readonly #recent: RecentRows
  readonly #log: (message: string) => void

  /** @param table identifies the table. */
  constructor (
    table: string, lifetimes: Lifetimes, recent: RecentRows, log: (message: string) => void
  ) {
    this.#table = table
    this.#lifetimes = lifetimes
    this.#recent = recent
    this.#log = log
  }

  /** The session of a row; null if its absolute lifetime is over, or the row holds no session. */
  session (row: LiveRow): LoadedSession | null {
    const parsed = this.parse(row)
    if (parsed === undefined) return null
    const { session, own, createdMs } = parsed
    const expireMs = this.expireMs(row, createdMs)
    if (expireMs <= row.now_ms) return null
    const loaded = new LoadedRow({
      table: this.#table,
      sid: row.sid,
      version: row.version,
      expireMs,
      nowMs: row.now_ms,
      createdMs,
      isCreatedStored: own.created !== undefined,
      sess: row.sess,
      lifetimeMs: lifetimeOf(session),
      cookieExpiresMs: setExpiry(session, expireMs - row.now_ms)
    })
    attachRow(session, loaded)
    this.#recent.add(loaded)
    return session as LoadedSession
  }

  /** What `sess` of a row holds, and when the session was created; undefined if it holds no session. */
  parse (row: LiveRow): { session: SessionData, own: OwnData, createdMs: number | null } | undefined {
    const parsed = parse(row.sess)
    if (parsed === undefined) {
      this.#log('Ignored a row of the session table that does not hold a session')
      return undefined
    }
    const { session, own } = parsed
    return { session, own, createdMs: own.created ?? this.#firstSeen(row, session) }
  }

  /** Another application's store may have moved the expiry past the absolute lifetime. */
  expireMs (row: LiveRow, createdMs: number | null): number {
    return Math.min(row.expire_ms, this.#lifetimes.limitMs(createdMs) ?? MAX_MS)
  }

  /** The sessions of several rows. */
  sessions (rows: LiveRow[]): LoadedSession[] {
    return rows.map((row) => this.session(row)).filter((session) => session !== null)
  }

  /**
   * From when the absolute lifetime of a session counts whose row does not say when it was created:
   * another store wrote it, or an earlier version, which kept this in `createdAt`. An application's
   * own `createdAt` is told apart by the expiry, which that version kept within the lifetime.
   */
  #firstSeen ({ now_ms: nowMs, expire_ms: expireMs }: LiveRow, session: SessionData): number | null {
    const { absoluteMs } = this.#lifetimes
    if (absoluteMs === null) return null
    const { createdAt } = session
    const isOurs = typeof createdAt === 'number' && Number.isSafeInteger(createdAt) &&
      createdAt <= nowMs + CLOCK_TOLERANCE_MS && createdAt + absoluteMs >= expireMs - 1
    return isOurs ? createdAt : Math.floor(nowMs)
  }
}

/**
 * Gives the session's cookie the expiry of its row, if it has one. A cookie without an expiry stays
 * so: with the row's expiry, it would never be extended again.
 *
 * @param leftMs the time left on the database's clock, as the clocks of instance and database may
 *   differ.
 * @returns the cookie's expiry in milliseconds since 1970, or null.
 */
function setExpiry (session: SessionData, leftMs: number): number | null {
  const cookie = session.cookie ??= {}
  if (isAbsent(cookie.expires) && lifetimeOf(session) === null) return null
  cookie.expires = new Date(Math.min(Date.now() + leftMs, MAX_MS))
  return cookie.expires.getTime()
}
