/**
 * The headers by which `verify` tells who is signed in.
 *
 * Every answer has all of them: Caddy hands on the text of a placeholder for one that is missing.
 *
 * @module
 */
import { headerValue } from './header-value.js'

export type IdentityHeaders = Readonly<Record<string, string>>

/** The parts of a session that are told. */
export interface ToldSession {
  user: { sub: string, email?: unknown }
  role: string
  roles: readonly string[]
}

/** The headers that a session's content decides. The session's public id is in `x-auth-session` besides. */
export function identityHeaders ({ user, role, roles }: ToldSession): IdentityHeaders {
  return {
    'x-auth-user': headerValue(user.sub),
    'x-auth-email': headerValue(user.email),
    'x-auth-role': headerValue(role),
    'x-auth-roles': roles.map(headerValue).join()
  }
}

/** The header of the session's public id. */
export const SESSION_HEADER = 'x-auth-session'

/** The headers of an answer that lets nobody in: the same names, each empty. */
export function noIdentity (): IdentityHeaders {
  const told = identityHeaders({ user: { sub: '' }, role: '', roles: [] })
  return Object.fromEntries([...Object.keys(told), SESSION_HEADER].map((name) => [name, '']))
}
