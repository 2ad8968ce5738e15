import { deviceInWords, deviceOf } from './device.js'
import { clientOf } from './session-client.js'
import type { PgSessionStore, UserSession } from './sessions/index.js'

/** A session as its user sees it. Times are ISO 8601, UTC, by the database's clock. */
export interface ListedSession {
  /** No secret: it cannot be used as a cookie. */
  id: string
  /** Whether it is the session of the request. */
  current: boolean
  createdAt: string
  /** When the expiry was last moved, or the present for the session of the request. */
  lastSeenAt: string
  expiresAt: string
  /** At sign-in, as the two after it. Null where the session does not say. */
  userAgent: string | null
  device: string | null
  ip: string | null
}

type Times = Pick<PgSessionStore, 'createdAt' | 'expiresAt' | 'databaseNow'>

/**
 * The sessions of a user, the current one first, then the one that was seen last.
 *
 * @param currentIds the public ids that the current session may have.
 * @param ttl the idle lifetime, in seconds.
 */
export function listedSessions (
  store: Times, sessions: readonly UserSession[], currentIds: readonly string[], ttl: number
): ListedSession[] {
  return sessions
    .map((session) => listed(store, session, currentIds.includes(session.id), ttl))
    .sort((one, other) => Number(other.current) - Number(one.current) ||
      Date.parse(other.lastSeenAt) - Date.parse(one.lastSeenAt))
}

function listed (store: Times, { id, session, expiresAt: rowExpiry }: UserSession, current: boolean, ttl: number) {
  const now = store.databaseNow(session) ?? Date.now()
  const createdAt = store.createdAt(session) ?? now
  const expiresAt = store.expiresAt(session) ?? rowExpiry.getTime()
  // The expiry is an idle lifetime after the last use, unless the absolute lifetime comes first. No statement writes
  // when a session was seen.
  const seenAt = Math.max(createdAt, Math.min(now, expiresAt - ttl * 1000))
  const { userAgent = null, ip = null } = clientOf(session)
  return {
    id,
    current,
    createdAt: iso(createdAt),
    lastSeenAt: iso(current ? now : seenAt),
    expiresAt: iso(expiresAt),
    userAgent,
    device: deviceInWords(deviceOf(userAgent ?? undefined)) ?? null,
    ip
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()
