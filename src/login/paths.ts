/** Where the routes of the sign-in are on this server. */
export const AUTH_PREFIX = '/api/auth'
export const LOGIN_PATH = `${AUTH_PREFIX}/login`
export const CALLBACK_PATH = `${AUTH_PREFIX}/callback`
export const LOGOUT_PATH = `${AUTH_PREFIX}/logout`
/** In development only. */
export const DOCUMENT_PATH = `${AUTH_PREFIX}/openapi.json`
export const REFERENCE_PATH = `${AUTH_PREFIX}/reference`

/** @param returnTo where the sign-out leads, if not to `LOGOUT_URL`. */
export const signOutUrl = (returnTo?: string): string =>
  returnTo === undefined ? LOGOUT_PATH : `${LOGOUT_PATH}?${new URLSearchParams({ returnTo }).toString()}`
