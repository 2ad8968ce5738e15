import { copyWith, type SessionData } from './sessions/index.js'

/**
 * The session with the cookie of one that is being used: written without it, the row's expiry would go back to what it
 * was when the session was loaded.
 *
 * @param ttl the idle lifetime in seconds.
 * @param changes of its content.
 */
export function usedNow (session: SessionData, ttl: number, changes: Partial<SessionData> = {}): SessionData {
  return copyWith(session, {
    ...changes, cookie: { ...session.cookie, expires: new Date(Date.now() + ttl * 1000) }
  })
}
