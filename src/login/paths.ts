/** Where the routes of the sign-in are, unless the application chooses another prefix. */
export const AUTH_PREFIX = '/api/auth'

/** @param prefix as `Config.prefix`. */
export const loginPath = (prefix = AUTH_PREFIX): string => `${prefix}/login`
export const callbackPath = (prefix = AUTH_PREFIX): string => `${prefix}/callback`
export const logoutPath = (prefix = AUTH_PREFIX): string => `${prefix}/logout`

/** @param returnTo where the sign-out leads, if not to `LOGOUT_URL`. */
export const signOutUrl = (returnTo?: string, prefix = AUTH_PREFIX): string => {
  const path = logoutPath(prefix)
  return returnTo === undefined ? path : `${path}?${new URLSearchParams({ returnTo }).toString()}`
}
