import { parseUrl } from '../url.js'
import { loginPath } from './paths.js'
import { HINTS, type LoginRequest } from './transaction.js'

/** What the error page of a failed or lost login offers. */
export interface LoginRecovery {
  /** The login that a person starts by a click. */
  retryUrl: string
  /** What that login asks for, if all of it is known. */
  login?: LoginRequest
  /** Where that login ends, if that is all that is known of it. */
  returnTo?: string | undefined
  /** The roles that the account has which a login has confirmed. */
  grantedRoles?: readonly string[]
  /** The login that the page starts by itself. */
  autoRetryUrl?: string
  /** The browser seems to accept no cookies. */
  cookiesBlocked?: boolean
}

/** Offers the login again, with everything that it asked for. */
export function recovery (login: LoginRequest | undefined, prefix?: string): LoginRecovery {
  return {
    // Most logins succeed.
    get retryUrl () { return loginUrl(login, { prefix }) },
    ...(login === undefined ? {} : { login })
  }
}

/** @param login what the login asks for, as far as it is known. */
export function loginUrl (
  login: Partial<LoginRequest> | undefined, options: { isRetry?: boolean, prefix?: string | undefined } = {}
): string {
  const { requestedRole, returnTo, hints, maxAge } = login ?? {}
  const parameters: [string, string | number | undefined][] = [
    ['role', requestedRole],
    ['returnTo', returnTo],
    ...HINTS.map((name): [string, string | undefined] => [name, hints?.[name]]),
    ['max_age', maxAge],
    ['retry', options.isRetry === true ? 1 : undefined]
  ]
  const query = new URLSearchParams(
    parameters.flatMap(([name, value]): [string, string][] => value === undefined ? [] : [[name, String(value)]])
  ).toString()
  const path = loginPath(options.prefix)
  return query === '' ? path : `${path}?${query}`
}

/**
 * The same login, for which the provider asks who signs in. Without the hints that lead to the former account.
 *
 * @see {@link https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest} for `prompt`.
 */
export function otherAccountUrl (login: LoginRequest | undefined, prefix?: string): string {
  if (login === undefined) return `${loginPath(prefix)}?prompt=login`
  const { hints: { lang } = {}, ...others } = login
  const hints = { ...(lang === undefined ? {} : { lang }), prompt: 'login' }
  return loginUrl({ ...others, hints }, { prefix })
}

/** The front page of the portal that a login returns to; undefined if that is this server. */
export function portalOf (returnTo: string, publicUrl: string): string | undefined {
  const origin = parseUrl(returnTo, publicUrl)?.origin
  return origin === undefined || origin === publicUrl ? undefined : `${origin}/`
}
