/**
 * `SESSION_LIMIT`: how many sessions one user may have.
 *
 * @module
 */
import type { EndReason } from './end-reason.js'
import type { SessionLimit } from './sessions/index.js'
import type { Config } from './variables.js'

/** Stands for every role that no other pair names. */
const ANY = '*'

/** The pairs as they are written: role, then number. A number alone is undefined. */
export function limitPairs (value: string): [role: string, max: number][] | undefined {
  if (!value.includes('=')) return undefined
  return value.split(',').map((pair) => {
    const end = pair.indexOf('=')
    return [pair.slice(0, end), Number(pair.slice(end + 1))]
  })
}

/**
 * The limit that a sign-in with this role has to keep; undefined if there is none.
 *
 * A number counts all sessions of the user. A pair counts those with its role, and `*` those with any role that has
 * no pair, together. So each session counts once.
 */
export function sessionLimit (
  value: string | undefined, role: string
): Pick<SessionLimit, 'max' | 'roles'> | undefined {
  if (value === undefined) return undefined
  const pairs = limitPairs(value)
  if (pairs === undefined) return { max: Number(value), roles: { except: [] } }
  const own = pairs.find(([named]) => named === role)
  if (own !== undefined && role !== ANY) return { max: own[1], roles: { only: [role] } }
  const any = pairs.find(([named]) => named === ANY)
  if (any === undefined) return undefined
  return { max: any[1], roles: { except: pairs.map(([named]) => named).filter((named) => named !== ANY) } }
}

/** What `SESSION_LIMIT` and `SESSION_LIMIT_ACTION` say of a new session; undefined if they limit nothing. */
export function limitOf (
  { SESSION_LIMIT, SESSION_LIMIT_ACTION }: Pick<Config, 'SESSION_LIMIT' | 'SESSION_LIMIT_ACTION'>,
  { user, role = '' }: { user?: { sub: string }, role?: string }
): SessionLimit | undefined {
  const limit = sessionLimit(SESSION_LIMIT, role)
  if (limit === undefined || user === undefined) return undefined
  return { ...limit, user: user.sub, reason: SESSION_LIMIT_ACTION === 'refuse' ? null : 'replaced' satisfies EndReason }
}
