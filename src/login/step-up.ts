/**
 * A login that asks for a recent sign-in (`max_age`), and what a session keeps through it.
 *
 * @module
 */
import { ERR_AUTH_TIME, ERR_OTHER_USER } from '../errors.js'
import type { CompletedLogin } from './completed-logins.js'
import { CLOCK_TOLERANCE_S, type Identity, type User } from './id-token.js'
import type { LoginTransaction } from './transaction.js'

/**
 * Whether a sign-in was recent.
 *
 * @param authTime when the user signed in, in seconds since 1970. Undefined, or anything but a number: never.
 * @param maxAge in seconds.
 * @param nowMs in milliseconds since 1970.
 */
export function isRecent (authTime: number | undefined, maxAge: number, nowMs: number): boolean {
  return typeof authTime === 'number' && nowMs / 1000 - authTime <= maxAge
}

/** The session of the browser that finishes a login. */
interface Present { user?: User }

/** Whether the login confirms the user of the present session, which then keeps its data. */
export function isStepUp ({ stepUpOf }: LoginTransaction, { user }: Present): boolean {
  return stepUpOf !== undefined && user?.sub === stepUpOf
}

/**
 * Why a login with `max_age` is refused; undefined if it is not (OpenID Connect Core §3.1.2.1).
 *
 * `auth_time` is compared with this server's clock, not with the token's `iat`: what counts is how long ago the user
 * signed in, and a provider that answers with an old token would otherwise pass. The provider's clock may differ by
 * the tolerance that holds for the other times of the token.
 */
export function stepUpRefusal (
  { user, authTime }: Identity, transaction: LoginTransaction, present: Present
): Error | undefined {
  const { maxAge } = transaction
  if (maxAge !== undefined && !isRecent(authTime, maxAge + CLOCK_TOLERANCE_S, Date.now())) {
    const reason = authTime === undefined ? 'the ID token has no valid auth_time' : 'auth_time is too long ago'
    return new ERR_AUTH_TIME({ cause: new Error(reason) })
  }
  return isStepUp(transaction, present) && user.sub !== transaction.stepUpOf ? new ERR_OTHER_USER() : undefined
}

/** What this server keeps in a session, and makes new at every sign-in. `__proto__` is no key to copy. */
const OWN = [
  'cookie', 'user', 'role', 'roles', 'authTime', 'refreshToken', 'accessToken', 'completedLogins', 'client',
  'deviceBinding', '__proto__'
] as const

export type OwnKey = typeof OWN[number]
export const OWN_KEYS: ReadonlySet<string> = new Set(OWN)

/** The part of a session that is the application's. */
export function applicationData (session: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(session).filter(([key]) => !OWN_KEYS.has(key)))
}

/**
 * The first session that another sign-in of the same browser has put in the place of `former`: it holds one of the
 * logins that `former` holds.
 */
export function successorOf<Session extends object> (
  former: object, sessions: readonly Session[]
): Session | undefined {
  const states = new Set(loginsOf(former).map(({ state }) => state))
  return sessions.find((session) => loginsOf(session).some(({ state }) => states.has(state)))
}

const loginsOf = (session: { completedLogins?: readonly CompletedLogin[] }): readonly CompletedLogin[] =>
  session.completedLogins ?? []

/** Makes the application's part of a session what `latest` is, where that differs from `copied`. */
export function updateApplicationData (
  session: object, copied: Record<string, unknown>, latest: Record<string, unknown>
): void {
  for (const key of new Set([...Object.keys(copied), ...Object.keys(latest)])) {
    if (JSON.stringify(copied[key]) === JSON.stringify(latest[key])) continue
    if (key in latest) Reflect.set(session, key, latest[key])
    else Reflect.deleteProperty(session, key)
  }
}
