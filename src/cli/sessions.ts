import { OWN_KEYS } from '../login/step-up.js'
import { clientOf } from '../session-client.js'
import type { LiveRow } from '../sessions/statements/live-row.js'
import { takeOwnData } from '../sessions/statements/own-data.js'
import { publicId } from '../sessions/user-session.js'
import { CommandError } from './failure.js'

/** A session as `sessions list` prints it. Times are ISO 8601, UTC, by the database's clock. */
export interface SessionLine {
  id: string
  sub: string
  email: string | null
  role: string | null
  createdAt: string | null
  lastSeenAt: string
  expiresAt: string
  userAgent: string | null
  ip: string | null
}

/** A session as `sessions show` prints it. */
export interface SessionDetails extends SessionLine {
  user: Record<string, unknown>
  roles: unknown[]
  authTime: string | null
  absoluteExpiresAt: string | null
  /** Whether it keeps these tokens of Cognito, encrypted. */
  refreshToken: boolean
  accessToken: boolean
  /** The names of what the application keeps in it. */
  data: string[]
  bytes: number
}

export interface Lifetimes { idleMs: number, absoluteMs: number }

type Members = Record<string, unknown>

export function lineOfSession (row: LiveRow, lifetimes: Lifetimes): SessionLine {
  return lineAndSession(row, lifetimes).line
}

export function detailsOf (row: LiveRow, lifetimes: Lifetimes): SessionDetails {
  const { line, session, createdMs } = lineAndSession(row, lifetimes)
  const { authTime, roles } = session
  return {
    ...line,
    user: members(session.user),
    roles: Array.isArray(roles) ? roles as unknown[] : [],
    authTime: typeof authTime === 'number' ? iso(authTime * 1000) : null,
    absoluteExpiresAt: createdMs === undefined ? null : iso(createdMs + lifetimes.absoluteMs),
    refreshToken: session.refreshToken !== undefined,
    accessToken: session.accessToken !== undefined,
    data: Object.keys(session).filter((name) => !OWN_KEYS.has(name)),
    bytes: Buffer.byteLength(row.sess)
  }
}

function lineAndSession (row: LiveRow, { idleMs, absoluteMs }: Lifetimes) {
  const session = parsed(row.sess)
  const createdMs = takeOwnData(session).created
  const user = members(session.user)
  const expireMs = Math.min(row.expire_ms, createdMs === undefined ? Infinity : createdMs + absoluteMs)
  // The expiry is an idle lifetime after the last use, unless the absolute lifetime comes first.
  const seenMs = Math.max(createdMs ?? -Infinity, Math.min(row.now_ms, expireMs - idleMs))
  const { userAgent = null, ip = null } = clientOf(session)
  const line: SessionLine = {
    id: publicId(row.sid),
    sub: String(user['sub']),
    email: textOf(user['email']),
    role: textOf(session['role']),
    createdAt: createdMs === undefined ? null : iso(createdMs),
    lastSeenAt: iso(seenMs),
    expiresAt: iso(expireMs),
    userAgent,
    ip
  }
  return { line, session, createdMs }
}

/** What a row holds; empty where that is no object. */
export function parsed (sess: string): Members {
  try {
    return members(JSON.parse(sess))
  } catch {
    return {}
  }
}

const members = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Members : {}
const textOf = (value: unknown): string | null => typeof value === 'string' ? value : null
const iso = (ms: number): string => new Date(ms).toISOString()

/**
 * Checks a public id. It is not quoted in the error, as it may be a cookie.
 *
 * @throws {CommandError}
 */
export function checkedId (id: string): string {
  if (!/^[\w-]{22}$/.test(id)) {
    throw new CommandError('the id is not a public session id, which has 22 letters, digits, - and _')
  }
  return id
}

export const noSuchSession = (): CommandError => new CommandError('there is no live session with this id')
