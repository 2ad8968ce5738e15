/** Where the routes of the sign-in are, unless the application chooses another prefix. */
export const AUTH_PREFIX = '/api/auth'

/** @param prefix as `Config.prefix`. */
export const loginPath = (prefix = AUTH_PREFIX): string => `${prefix}/login`
export const callbackPath = (prefix = AUTH_PREFIX): string => `${prefix}/callback`
export const logoutPath = (prefix = AUTH_PREFIX): string => `${prefix}/logout`
/** Where logins start as they do at oauth2-proxy, with `VERIFY_HEADERS=oauth2-proxy`. */
export const OAUTH2_PREFIX = '/oauth2'
export const OAUTH2_STARTS = [`${OAUTH2_PREFIX}/start`, `${OAUTH2_PREFIX}/sign_in`]
/** In development only. */
export const DOCUMENT_PATH = `${AUTH_PREFIX}/openapi.json`
export const REFERENCE_PATH = `${AUTH_PREFIX}/reference`
/** Where a person sees and ends sessions. */
export const accountPath = (prefix = AUTH_PREFIX): string => `${prefix}/account`
/** Where a form ends all sessions but the current one. */
export const accountEndPath = (prefix = AUTH_PREFIX): string => `${accountPath(prefix)}/end`

/** Where browsers bind a session to their device, and renew the cookie that says so. */
export const deviceRegisterPath = (prefix = AUTH_PREFIX): string => `${prefix}/device/register`
export const deviceRefreshPath = (prefix = AUTH_PREFIX): string => `${prefix}/device/refresh`

/** The page that waits for a browser to show its device. @param returnTo where it leads then. */
export const devicePageUrl = (returnTo: string, prefix = AUTH_PREFIX): string =>
  `${prefix}/device?${new URLSearchParams({ returnTo }).toString()}`

/** Where a form ends one session, by its public id. */
export const endSessionUrl = (id: string, prefix = AUTH_PREFIX): string =>
  `${accountEndPath(prefix)}/${encodeURIComponent(id)}`

/** @param returnTo where the sign-out leads, if not to `LOGOUT_URL`. */
export const signOutUrl = (returnTo?: string, prefix = AUTH_PREFIX): string => {
  const path = logoutPath(prefix)
  return returnTo === undefined ? path : `${path}?${new URLSearchParams({ returnTo }).toString()}`
}
