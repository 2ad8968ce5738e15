import type { User } from './login/id-token.js'
import type { PgSessionStore } from './sessions/index.js'

/** The parts of a session that are told. A sign-in sets all of them. */
interface ToldSession {
  user?: User
  role?: string
  roles?: string[]
}

/**
 * What `GET /api/auth/me` tells of a session. Times are ISO 8601, UTC, by the database's clock. `…InSeconds` are
 * whole seconds from `serverTime`, so that a page needs no clock of its own.
 */
export interface SessionAnswer {
  user: User
  role: string
  roles: string[]
  /** When the user last authenticated at Cognito; absent where the session does not say. */
  authTime?: string
  createdAt: string
  /** When the session ends if it is not used. */
  expiresAt: string
  absoluteExpiresAt: string
  expiresInSeconds: number
  absoluteExpiresInSeconds: number
  serverTime: string
  /** Whether the session is bound to its device; absent with `DEVICE_BOUND_SESSIONS=off`. */
  deviceBound?: boolean
}

/**
 * The answer for a signed-in session; undefined for a guest.
 *
 * @param absoluteTtl in seconds.
 * @param deviceBound whether the session is bound; undefined with `DEVICE_BOUND_SESSIONS=off`.
 */
export function sessionAnswer (
  store: Pick<PgSessionStore, 'createdAt' | 'expiresAt' | 'databaseNow'>, session: ToldSession, absoluteTtl: number,
  deviceBound?: boolean
): SessionAnswer | undefined {
  const { user, role, roles } = session
  const { authTime } = session as { authTime?: unknown }
  const createdAt = store.createdAt(session)
  const expiresAt = store.expiresAt(session)
  const now = store.databaseNow(session)
  if (user === undefined || createdAt === undefined || expiresAt === undefined || now === undefined) return undefined
  const absoluteExpiresAt = createdAt + absoluteTtl * 1000
  return {
    user,
    role: role as string,
    roles: roles as string[],
    // In seconds since 1970, as the claim `auth_time` (OpenID Connect Core §2).
    ...(typeof authTime === 'number' ? { authTime: iso(authTime * 1000) } : {}),
    createdAt: iso(createdAt),
    expiresAt: iso(expiresAt),
    absoluteExpiresAt: iso(absoluteExpiresAt),
    expiresInSeconds: wholeSeconds(expiresAt - now),
    absoluteExpiresInSeconds: wholeSeconds(absoluteExpiresAt - now),
    serverTime: iso(now),
    ...(deviceBound === undefined ? {} : { deviceBound })
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()

const wholeSeconds = (ms: number): number => Math.max(0, Math.floor(ms / 1000))
