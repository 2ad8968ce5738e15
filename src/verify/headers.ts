/**
 * The headers by which `verify` tells who is signed in.
 *
 * Every answer has all of them: Caddy hands on the text of a placeholder for one that is missing.
 *
 * @module
 */
import { headerValue } from './header-value.js'

export type IdentityHeaders = Readonly<Record<string, string>>

/** `VERIFY_HEADERS`: `oauth2-proxy` has the header names of oauth2-proxy as well. */
export type HeaderNames = string

/** The parts of a session that are told. */
export interface ToldSession {
  user: { sub: string, email?: unknown, username?: unknown }
  role: string
  roles: readonly string[]
}

/**
 * The headers that a session's content decides. The session's public id is in `x-auth-session` besides.
 *
 * @param deviceBound whether the session is bound to a device; undefined with `DEVICE_BOUND_SESSIONS=off`. The header
 *   is there all the same, so that a proxy replaces a visitor's own.
 */
export function identityHeaders (
  { user, role, roles }: ToldSession, names: HeaderNames, deviceBound?: boolean
): IdentityHeaders {
  const [sub, email] = [headerValue(user.sub), headerValue(user.email)]
  const list = roles.map(headerValue).join()
  return {
    'x-auth-user': sub,
    'x-auth-email': email,
    'x-auth-role': headerValue(role),
    'x-auth-roles': list,
    [DEVICE_HEADER]: deviceBound === undefined ? '' : String(deviceBound),
    ...(names === 'oauth2-proxy'
      ? {
          'x-auth-request-user': sub,
          'x-auth-request-email': email,
          'x-auth-request-groups': list,
          'x-auth-request-preferred-username': headerValue(user.username)
        }
      : {})
  }
}

/** Whether the session is bound to a device: `true` or `false`. Empty with `DEVICE_BOUND_SESSIONS=off`. */
const DEVICE_HEADER = 'x-auth-device-bound'

/** The header of the session's public id. */
export const SESSION_HEADER = 'x-auth-session'

/** The header of what an upstream can check (`src/assertion`). */
export const ASSERTION_HEADER = 'x-auth-assertion'

/** The headers of a refusal: the same names, each empty. */
export function noIdentity (names: HeaderNames): IdentityHeaders {
  const told = identityHeaders({ user: { sub: '' }, role: '', roles: [] }, names)
  return Object.fromEntries([...Object.keys(told), SESSION_HEADER, ASSERTION_HEADER].map((name) => [name, '']))
}
