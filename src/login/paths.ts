/** Where the routes of the sign-in are on this server. */
export const AUTH_PREFIX = '/api/auth'
export const LOGIN_PATH = `${AUTH_PREFIX}/login`
export const CALLBACK_PATH = `${AUTH_PREFIX}/callback`
export const LOGOUT_PATH = `${AUTH_PREFIX}/logout`
/** In development only. */
export const DOCUMENT_PATH = `${AUTH_PREFIX}/openapi.json`
export const REFERENCE_PATH = `${AUTH_PREFIX}/reference`
export const ACCOUNT_PATH = `${AUTH_PREFIX}/account`
/** Where a form ends all sessions but the current one. */
export const ACCOUNT_END_PATH = `${ACCOUNT_PATH}/end`

/** Where a form ends one session, by its public id. */
export const endSessionUrl = (id: string): string => `${ACCOUNT_END_PATH}/${encodeURIComponent(id)}`

/** @param returnTo where the sign-out leads, if not to `LOGOUT_URL`. */
export const signOutUrl = (returnTo?: string): string =>
  returnTo === undefined ? LOGOUT_PATH : `${LOGOUT_PATH}?${new URLSearchParams({ returnTo }).toString()}`
