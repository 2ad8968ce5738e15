import type { SessionData } from '../sessions/index.js'
import { identityHeaders, type IdentityHeaders } from './headers.js'

/** What `verify` needs of a session. Shared by requests. */
export interface SessionView {
  readonly headers: IdentityHeaders
  readonly roles: readonly string[]
  /** When the user signed in, in seconds since 1970; undefined if the session does not say. */
  readonly authTime: number | undefined
}

/** The view of a session; undefined for one in which nobody is signed in, as a login transaction. */
export function sessionView ({ user, role, roles, authTime }: SessionData): SessionView | undefined {
  const sub = typeof user === 'object' && user !== null ? (user as { sub?: unknown }).sub : undefined
  if (typeof sub !== 'string' || sub === '') return undefined
  const known = Array.isArray(roles) ? roles.filter((name) => typeof name === 'string') : []
  return {
    headers: identityHeaders({
      user: { ...user as object, sub }, role: typeof role === 'string' ? role : '', roles: known
    }),
    roles: known,
    authTime: typeof authTime === 'number' ? authTime : undefined
  }
}
