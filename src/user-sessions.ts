import { deviceInWords, deviceOf } from './device.js'
import { clientOf } from './session-client.js'
import type { PgSessionStore, SessionData, UserSession } from './sessions/index.js'

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
  /** Whether it is bound to a device; absent with `DEVICE_BOUND_SESSIONS=off`, as the next one. */
  deviceBound?: boolean
  /** When its cookie last came without its device; null: it never has. */
  withoutDeviceAt?: string | null
}

/** What a session says of its device. */
export type DeviceOf = (session: SessionData) => { id: string | undefined, strayAt: number }

type Times = Pick<PgSessionStore, 'createdAt' | 'expiresAt' | 'databaseNow'>

/**
 * The sessions of a user, the current one first, then the one that was seen last.
 *
 * @param currentIds the public ids that the current session may have.
 * @param ttl the idle lifetime, in seconds.
 * @param deviceOf undefined with `DEVICE_BOUND_SESSIONS=off`.
 */
export function listedSessions (
  store: Times, sessions: readonly UserSession[], currentIds: readonly string[], ttl: number, deviceOf?: DeviceOf
): ListedSession[] {
  return sessions
    .map((one) => ({
      ...listed(store, one, currentIds.includes(one.id), ttl),
      ...(deviceOf === undefined ? {} : told(deviceOf(one.session)))
    }))
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

const told = ({ id, strayAt }: ReturnType<DeviceOf>): Pick<ListedSession, 'deviceBound' | 'withoutDeviceAt'> =>
  ({ deviceBound: id !== undefined, withoutDeviceAt: strayAt === 0 ? null : iso(strayAt) })

const iso = (ms: number): string => new Date(ms).toISOString()
