import { MAX_MS, type Lifetimes } from './lifetimes.js'
import { carry, LoadedRow } from './loaded.js'
import { parse } from './serialise.js'
import type { LiveRow } from './statements/live-row.js'
import type { LoadedSession } from './types.js'

/** Makes session objects from rows. */
export class SessionReader {
  readonly #lifetimes: Lifetimes
  readonly #log: (message: string) => void

  constructor (lifetimes: Lifetimes, log: (message: string) => void) {
    this.#lifetimes = lifetimes
    this.#log = log
  }

  /** The session of a row; null if its absolute lifetime is over, or the row holds no session. */
  session (row: LiveRow): LoadedSession | null {
    const session = parse(row.sess)
    if (session === undefined) {
      this.#log('Ignored a row of the session table that does not hold a session')
      return null
    }
    // Another application's store may have moved the expiry past the absolute lifetime.
    const expireMs = Math.min(row.expire_ms, this.#lifetimes.limitMs(session) ?? MAX_MS)
    if (expireMs <= row.now_ms) return null
    const { expires = null, originalMaxAge = null } = session.cookie ??= {}
    // A cookie without an expiry stays so: with the row's expiry, it would never be extended again.
    if (expires !== null || originalMaxAge !== null) {
      // The clocks of instance and database may differ, so the time left is taken from the
      // database's clock alone.
      session.cookie.expires = new Date(Math.min(Date.now() + expireMs - row.now_ms, MAX_MS))
    }
    const { sid, version, sess, now_ms: nowMs } = row
    carry(session, new LoadedRow({ sid, version, expireMs, nowMs, sess, lifetimeMs: originalMaxAge }))
    return session as LoadedSession
  }

  /** The sessions of several rows. */
  sessions (rows: LiveRow[]): LoadedSession[] {
    return rows.map((row) => this.session(row)).filter((session) => session !== null)
  }
}
