/** Where the sign-in begins and ends on this server. */
export const LOGIN_PATH = '/api/auth/login'
export const CALLBACK_PATH = '/api/auth/callback'
export const LOGOUT_PATH = '/api/auth/logout'
