import { MAX_DATE_MS } from './dates.js'
import type { User } from './login/id-token.js'
import type { PgSessionStore, Viewed } from './sessions/index.js'
import type { SessionView } from './verify/view.js'

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

type Times = Pick<PgSessionStore, 'createdAt' | 'expiresAt' | 'databaseNow'>

/**
 * The answer for a signed-in session; undefined for a guest.
 *
 * @param absoluteTtl in seconds.
 * @param deviceBound whether the session is bound; undefined with `DEVICE_BOUND_SESSIONS=off`.
 */
export function sessionAnswer (
  store: Times, session: ToldSession, absoluteTtl: number, deviceBound?: boolean
): SessionAnswer | undefined {
  const { authTime } = session as { authTime?: unknown }
  return answerOf({
    ...session,
    authTime: typeof authTime === 'number' ? authTime : undefined,
    createdAt: store.createdAt(session),
    expiresAt: store.expiresAt(session),
    databaseNow: store.databaseNow(session),
    deviceBound
  }, absoluteTtl)
}

/** The same for a session that was only looked at. */
export function seenSessionAnswer (
  { view, ...times }: Viewed<SessionView>, absoluteTtl: number
): SessionAnswer | undefined {
  const { user, asserted: { role, roles }, authTime, device } = view
  const deviceBound = device === undefined ? undefined : device.id !== undefined
  return answerOf({ user: user as User, role, roles: roles as string[], authTime, ...times, deviceBound }, absoluteTtl)
}

/** `authTime` is in seconds since 1970, the other times in milliseconds. */
interface Told extends Omit<ToldSession, 'role'> {
  role?: string | undefined
  authTime: number | undefined
  createdAt: number | undefined
  expiresAt: number | undefined
  databaseNow: number | undefined
  deviceBound: boolean | undefined
}

function answerOf (told: Told, absoluteTtl: number): SessionAnswer | undefined {
  const { user, role, roles, authTime, createdAt, expiresAt, databaseNow: now, deviceBound } = told
  if (!isUser(user) || createdAt === undefined || expiresAt === undefined || now === undefined) return undefined
  const absoluteExpiresAt = createdAt + absoluteTtl * 1000
  return {
    user,
    // What a sign-in sets; a row that was changed by hand may lack them.
    role: typeof role === 'string' ? role : '',
    roles: Array.isArray(roles) ? roles.filter((name) => typeof name === 'string') : [],
    // As the claim `auth_time` (OpenID Connect Core §2).
    ...(authTime === undefined || Math.abs(authTime * 1000) > MAX_DATE_MS ? {} : { authTime: iso(authTime * 1000) }),
    createdAt: iso(createdAt),
    expiresAt: iso(expiresAt),
    absoluteExpiresAt: iso(absoluteExpiresAt),
    expiresInSeconds: wholeSeconds(expiresAt - now),
    absoluteExpiresInSeconds: wholeSeconds(absoluteExpiresAt - now),
    serverTime: iso(now),
    ...(deviceBound === undefined ? {} : { deviceBound })
  }
}

/** A session without a `sub` has no user. */
const isUser = (user: User | null | undefined): user is User => typeof user?.sub === 'string' && user.sub !== ''

const iso = (ms: number): string => new Date(ms).toISOString()

const wholeSeconds = (ms: number): number => Math.max(0, Math.floor(ms / 1000))
