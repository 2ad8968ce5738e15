import { ERR_UNAUTHENTICATED } from './errors.js'

/**
 * Why a request has no signed-in session, as a 401 tells it.
 *
 * - `none`: no session cookie, none of ours, or nothing is known of its session (any more);
 * - `idle`, `absolute`: that lifetime ended;
 * - `signed_out`: a sign-out in this browser;
 * - `ended_elsewhere`: ended from another browser, or by an operator;
 * - `role_lost`: the role of the session is no longer granted;
 * - `provider`: Cognito no longer takes the session's refresh token.
 */
export const END_REASONS = [
  'none', 'idle', 'absolute', 'signed_out', 'ended_elsewhere', 'role_lost', 'provider'
] as const

export type EndReason = typeof END_REASONS[number]

/** What a row says, or `none`. */
export const asEndReason = (text: string | null): EndReason =>
  END_REASONS.find((reason) => reason === text) ?? 'none'

/** An ERR_UNAUTHENTICATED whose answer has the `reason`. */
export const unauthenticated = (reason: EndReason): Error & { reason: EndReason } =>
  Object.assign(new ERR_UNAUTHENTICATED(), { reason })
