/**
 * Every error that this server raises on purpose.
 *
 * Clients may rely on `code` and `statusCode`. The message is for people and may change. The message of
 * a 5xx stays in the log: clients get the standard phrase of the status (`plugins/errors.ts`).
 *
 * @module
 */
import { defineError } from './sessions/errors.js'

/** The environment is incomplete or malformed. `%s` has one problem per line. Raised once, at startup. */
export const ERR_CONFIG = defineError('ERR_CONFIG', 'Invalid configuration:\n%s', 500)

/** The request is malformed: a parameter is too long, repeated, or of the wrong form. */
export const ERR_VALIDATION = defineError('ERR_VALIDATION', 'Invalid request: %s', 400)

/** No such route, or not with this method. */
export const ERR_NOT_FOUND = defineError('ERR_NOT_FOUND', 'Not found', 404)

/** A browser prefetched the login or the callback. It discards a refusal and asks again when the user navigates. */
export const ERR_PREFETCH = defineError('ERR_PREFETCH', 'Sign-in URLs cannot be prefetched', 403)

/** A script or a page's image asked for the login. Always JSON. */
export const ERR_NAVIGATION_REQUIRED = defineError(
  'ERR_NAVIGATION_REQUIRED', 'A sign-in starts with a navigation: send the browser to this URL', 403
)

/** An unsafe request from a page whose origin is neither `PUBLIC_URL` nor in `RETURN_ORIGINS`. */
export const ERR_FOREIGN_ORIGIN = defineError('ERR_FOREIGN_ORIGIN', 'Origin not allowed, or not sent', 403)

/** More logins or callbacks from one address than `LOGIN_RATE_LIMIT` allows. `%s` is the seconds to wait. */
export const ERR_RATE_LIMIT = defineError('ERR_RATE_LIMIT', 'Too many sign-ins. Try again in %s seconds', 429)

/** Not signed in, or no longer signed in. */
export const ERR_UNAUTHENTICATED = defineError('ERR_UNAUTHENTICATED', 'Sign in first', 401)

/** `POST /api/auth/cognito-events` without one of `COGNITO_EVENTS_SECRET`. */
export const ERR_EVENTS_SECRET = defineError('ERR_EVENTS_SECRET', 'The secret of the events is missing or wrong', 401)

/** The requested role is not in `ROLES`. */
export const ERR_ROLE_UNKNOWN = defineError('ERR_ROLE_UNKNOWN', 'Unknown role: role must be one of %s', 400)

/** `returnTo` is neither a path on `PUBLIC_URL` nor a URL on one of `RETURN_ORIGINS`. */
export const ERR_RETURN_TO = defineError(
  'ERR_RETURN_TO', 'returnTo must be a path on this site or a URL on one of its portals', 400
)

/** `returnTo` of a sign-out is not one of `LOGOUT_URLS`. */
export const ERR_LOGOUT_URL = defineError(
  'ERR_LOGOUT_URL', 'returnTo must be one of the sign-out addresses of this server', 400
)

/** The callback carries no `state`. */
export const ERR_STATE_MISSING = defineError('ERR_STATE_MISSING', 'The sign-in response has no state', 400)

/** The `state` is unknown, used, expired, or belongs to another browser. */
export const ERR_STATE_UNKNOWN = defineError(
  'ERR_STATE_UNKNOWN', 'Unknown sign-in: already completed, expired, or started in another browser', 400
)

/** The callback carries neither `code` nor `error`. */
export const ERR_CODE_MISSING = defineError('ERR_CODE_MISSING', 'The sign-in response has no code', 400)

/** The user cancelled at Cognito (`error=access_denied`, RFC 6749 §4.1.2.1). */
export const ERR_LOGIN_CANCELLED = defineError('ERR_LOGIN_CANCELLED', 'The sign-in was cancelled', 401)

/** Cognito refused the login or the code. */
export const ERR_LOGIN_REFUSED = defineError('ERR_LOGIN_REFUSED', 'The sign-in was refused', 401)

/** The ID token is not valid (OpenID Connect Core §3.1.3.7). */
export const ERR_ID_TOKEN = defineError('ERR_ID_TOKEN', 'The sign-in could not be verified', 401)

/** The requested role is not granted to this user. */
export const ERR_ROLE_NOT_GRANTED = defineError('ERR_ROLE_NOT_GRANTED', 'Your account does not have the role %s', 403)

/** The application refused the login in `onLogin`. `%s` is its own text. */
export const ERR_LOGIN_DENIED = defineError('ERR_LOGIN_DENIED', '%s', 403)

/** The user has as many sessions as `SESSION_LIMIT` allows, and `SESSION_LIMIT_ACTION` is `refuse`. */
export const ERR_SESSION_LIMIT = defineError(
  'ERR_SESSION_LIMIT', 'You are signed in on as many devices as is allowed: sign out on one of them first', 403
)

/** A response that OAuth 2.0 does not define (5xx, 429, HTML, too large), or Cognito refused our credentials. */
export const ERR_COGNITO_ANSWER = defineError('ERR_COGNITO_ANSWER', 'Invalid response from Cognito', 502)

/** Cognito could not be reached, or did not answer in time. */
export const ERR_COGNITO_TIMEOUT = defineError('ERR_COGNITO_TIMEOUT', 'Cognito did not answer', 504)

/** A login with `max_age` ended with a sign-in that is older, or whose time the provider did not tell. */
export const ERR_AUTH_TIME = defineError(
  'ERR_AUTH_TIME', 'A recent sign-in is needed, and the sign-in service has not confirmed one', 401
)

/** A login that was to confirm the signed-in user (`max_age`) ended with another user. */
export const ERR_OTHER_USER = defineError('ERR_OTHER_USER', 'You are signed in here with another account', 403)

/** The route needs a sign-in of at most `%s` seconds ago (RFC 9470): start a login with that `max_age`. */
export const ERR_RECENT_SIGN_IN = defineError(
  'ERR_RECENT_SIGN_IN', 'Sign in again: this needs a sign-in of at most %s seconds ago', 401
)

/** The query of `verify` is not understood: the proxy's configuration is wrong. What is wrong is in the log. */
export const ERR_VERIFY_QUERY = defineError(
  'ERR_VERIFY_QUERY', 'The proxy in front of this page asks for something unknown', 403
)

/** What a browser sent to bind its session to its device does not hold, or comes too late. */
export const ERR_DEVICE_PROOF = defineError('ERR_DEVICE_PROOF', 'The device could not be registered', 400)

/** The browser must prove that it has the device's key: `Secure-Session-Challenge` has what to sign. */
export const ERR_DEVICE_CHALLENGE = defineError('ERR_DEVICE_CHALLENGE', 'Sign the challenge', 403)

/** No live session has this device session identifier. The browser forgets it. */
export const ERR_DEVICE_SESSION = defineError('ERR_DEVICE_SESSION', 'The session of this device has ended', 401)

/** The server is stopping and takes no new work. */
export const ERR_DRAINING = defineError('ERR_DRAINING', 'The server is draining', 503)

/** More requests than the server can answer in time. Those that it has accepted are answered. */
export const ERR_OVERLOADED = defineError('ERR_OVERLOADED', 'The server is overloaded', 503)

/** Anything unexpected. */
export const ERR_INTERNAL = defineError('ERR_INTERNAL', 'Internal error', 500)

export { ERR_DATABASE, ERR_SESSION_VALUE } from './sessions/errors.js'

/** The `code` of an error, for the log; `ERR_INTERNAL` if it has none. */
export function codeOf (error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : 'ERR_INTERNAL'
}
