import { ERR_UNAUTHENTICATED } from './errors.js'

/**
 * Why a request has no signed-in session, as a 401 tells it.
 *
 * - `none`: no session cookie, none of ours, or nothing is known of its session (any more);
 * - `idle`, `absolute`: that lifetime ended;
 * - `signed_out`: a sign-out in this browser;
 * - `ended_elsewhere`: ended from another browser, or by an operator;
 * - `replaced`: the user signed in elsewhere, and has as many sessions as `SESSION_LIMIT` allows;
 * - `role_lost`: the role of the session is no longer granted;
 * - `provider`: Cognito no longer takes the session's refresh token;
 * - `device`: the session is live, and the request did not show that it is from the session's device.
 */
export const END_REASONS = [
  'none', 'idle', 'absolute', 'signed_out', 'ended_elsewhere', 'replaced', 'role_lost', 'provider',
  'device'
] as const

export type EndReason = typeof END_REASONS[number]

/** What a row says, or `none`. */
export const asEndReason = (text: string | null): EndReason =>
  END_REASONS.find((reason) => reason === text) ?? 'none'

/**
 * An ERR_UNAUTHENTICATED whose answer has the `reason`.
 *
 * @param otherSite the portal that asks, if the browser never sends it the cookie.
 */
export function unauthenticated (reason: EndReason, otherSite?: string): Error & { reason: EndReason } {
  const error = Object.assign(new ERR_UNAUTHENTICATED(), { reason })
  if (otherSite !== undefined) {
    error.message += `. Pages of ${otherSite} have no session: browsers send the cookie only within one site`
  }
  return error
}
