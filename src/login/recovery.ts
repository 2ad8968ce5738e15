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
}

/** @param login what the login asks for, if that is known. */
export function loginUrl (login: LoginRequest | undefined, options: { isRetry?: boolean } = {}): string {
  const query = new URLSearchParams({
    ...(login === undefined ? {} : { role: login.requestedRole, returnTo: login.returnTo }),
    ...(login?.maxAge === undefined ? {} : { max_age: String(login.maxAge) }),
    ...(options.isRetry === true ? { retry: '1' } : {})
  }).toString()
  return query === '' ? LOGIN_PATH : `${LOGIN_PATH}?${query}`
}
