/** Where the routes of the sign-in are on this server. */
export const AUTH_PREFIX = '/api/auth'
export const LOGIN_PATH = `${AUTH_PREFIX}/login`
export const CALLBACK_PATH = `${AUTH_PREFIX}/callback`
export const LOGOUT_PATH = `${AUTH_PREFIX}/logout`
