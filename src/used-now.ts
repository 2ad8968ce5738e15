import type { SessionData } from './sessions/index.js'

/**
 * The session with the cookie of one that is being used: written without it, the row's expiry would go back to what it
 * was when the session was loaded.
 *
 * @param ttl the idle lifetime in seconds.
 */
export function usedNow (session: SessionData, ttl: number): SessionData {
  return { ...session, cookie: { ...session.cookie, expires: new Date(Date.now() + ttl * 1000) } }
}
