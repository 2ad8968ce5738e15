/**
 * Every error this server raises on purpose.
 *
 * Clients may rely on `code` and `statusCode`; the message is for people and may change. What a 5xx
 * says here stays in the log: the client is told the status' standard phrase (`plugins/errors.ts`).
 *
 * @module
 */
import createError from '@fastify/error'

type Caused = [{ cause: unknown }?]

/** The environment is incomplete or malformed; `%s` has one problem a line. Raised once, at start. */
export const ERR_CONFIG = createError<[problems: string]>('ERR_CONFIG', 'Invalid configuration:\n%s', 500)

/** The request is malformed: a parameter too long, given twice, or of the wrong form. */
export const ERR_VALIDATION = createError<[reason: string]>('ERR_VALIDATION', 'Invalid request: %s', 400)

/** No such route, or not with this method. */
export const ERR_NOT_FOUND = createError('ERR_NOT_FOUND', 'Not found', 404)

/** A browser asked in advance. It throws away an answer that is not 2xx, and asks again when somebody wants the page. */
export const ERR_PREFETCH = createError('ERR_PREFETCH', 'A sign-in cannot be fetched in advance', 403)

/** An unsafe request from a page of an origin that is neither `PUBLIC_URL` nor in `RETURN_ORIGINS`. */
export const ERR_FOREIGN_ORIGIN = createError('ERR_FOREIGN_ORIGIN', 'This origin may not call this server', 403)

/** More logins or callbacks from one address than `LOGIN_RATE_LIMIT` allows; `%s` is the seconds to wait. */
export const ERR_RATE_LIMIT = createError<[seconds: number]>('ERR_RATE_LIMIT', 'Too many sign-ins were started. Try again in %s seconds', 429)

/** Nobody is signed in, or no longer. */
export const ERR_UNAUTHENTICATED = createError('ERR_UNAUTHENTICATED', 'Sign in first', 401)

/** The role asked for is not in `ROLES`. */
export const ERR_ROLE_UNKNOWN = createError<[known: string]>('ERR_ROLE_UNKNOWN', 'Unknown role: role must be one of %s', 400)

/** `returnTo` is neither a path on `PUBLIC_URL` nor a URL on one of `RETURN_ORIGINS`. */
export const ERR_RETURN_TO = createError('ERR_RETURN_TO', 'returnTo must be a path of this site or a URL on one of its portals', 400)

/** The callback carries no `state`. */
export const ERR_STATE_MISSING = createError('ERR_STATE_MISSING', 'This sign-in has no state: start it again', 400)

/** The `state` is unknown, used, expired, or belongs to another browser. */
export const ERR_STATE_UNKNOWN = createError('ERR_STATE_UNKNOWN', 'This sign-in is not known here: it was finished, took too long, or was started in another browser', 400)

/** The callback carries neither `code` nor `error`. */
export const ERR_CODE_MISSING = createError('ERR_CODE_MISSING', 'The sign-in came back without a code: start it again', 400)

/** The user pressed Cancel at Cognito (`error=access_denied`, RFC 6749 §4.1.2.1). */
export const ERR_LOGIN_CANCELLED = createError('ERR_LOGIN_CANCELLED', 'The sign-in was cancelled', 401)

/** Cognito refused the login or the code. */
export const ERR_LOGIN_REFUSED = createError<Caused>('ERR_LOGIN_REFUSED', 'The sign-in was refused', 401)

/** The ID token does not hold (OpenID Connect Core §3.1.3.7). */
export const ERR_ID_TOKEN = createError<Caused>('ERR_ID_TOKEN', 'The sign-in could not be verified', 401)

/** The role asked for is not granted to this user. */
export const ERR_ROLE_NOT_GRANTED = createError<[role: string]>('ERR_ROLE_NOT_GRANTED', 'Your account does not have the role %s', 403)

/** Cognito's answer is not one that OAuth 2.0 knows: 5xx, 429, HTML, garbage, too large, our own credentials refused. */
export const ERR_COGNITO_ANSWER = createError<Caused>('ERR_COGNITO_ANSWER', 'Cognito answered wrongly', 502)

/** Cognito could not be reached, or did not answer in time. */
export const ERR_COGNITO_TIMEOUT = createError<Caused>('ERR_COGNITO_TIMEOUT', 'Cognito did not answer', 504)

/** The server is about to stop and takes no new work. */
export const ERR_DRAINING = createError('ERR_DRAINING', 'The server is draining', 503)

/** Anything that was not foreseen. */
export const ERR_INTERNAL = createError<Caused>('ERR_INTERNAL', 'Internal error', 500)

export { ERR_DATABASE, ERR_SESSION_VALUE } from './sessions/errors.js'

/** The `code` of an error, for the log; `ERR_INTERNAL` where it has none. */
export function codeOf (error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : 'ERR_INTERNAL'
}
