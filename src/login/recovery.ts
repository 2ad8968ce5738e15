import { parseUrl } from '../url.js'
import { LOGIN_PATH } from './paths.js'
import type { LoginRequest } from './transaction.js'

/** What the error page of a failed or lost login offers. */
export interface LoginRecovery {
  /** The login that a person starts by a click. */
  retryUrl: string
  /** The login that the page starts by itself. */
  autoRetryUrl?: string
  /** The browser seems to accept no cookies. */
  cookiesBlocked?: boolean
  /** What the login asked for, if that is known. */
  login?: LoginRequest
}

/** @param login what the login asks for, if that is known. */
export function loginUrl (login: LoginRequest | undefined, options: { isRetry?: boolean } = {}): string {
  const query = new URLSearchParams({
    ...(login === undefined ? {} : { role: login.requestedRole, returnTo: login.returnTo, ...login.hints }),
    ...(options.isRetry === true ? { retry: '1' } : {})
  }).toString()
  return query === '' ? LOGIN_PATH : `${LOGIN_PATH}?${query}`
}

/**
 * The same login, for which the provider asks who signs in. Without the hints that lead to the former account.
 *
 * @see {@link https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest} for `prompt`.
 */
export function otherAccountUrl (login: LoginRequest | undefined): string {
  if (login === undefined) return `${LOGIN_PATH}?prompt=login`
  const { requestedRole, returnTo, hints: { lang } = {} } = login
  return loginUrl({ requestedRole, returnTo, hints: { ...(lang === undefined ? {} : { lang }), prompt: 'login' } })
}

/** The front page of the portal that a login returns to; undefined if that is this server. */
export function portalOf ({ returnTo }: LoginRequest, publicUrl: string): string | undefined {
  const origin = parseUrl(returnTo, publicUrl)?.origin
  return origin === undefined || origin === publicUrl ? undefined : `${origin}/`
}
