/** What the server answers, and what the client tells of it. @module */

import type { components, operations } from './openapi.js'

type Schemas = components['schemas']

export type User = Schemas['User']

/** The 200 of `GET /api/auth/me` and `POST /api/auth/extend`. Times are ISO 8601, UTC, by the server's clock. */
export type Session = Schemas['Session']

type Refusal = operations['getSession']['responses'][401]['content']['application/json']

/** Why there is no session: the `reason` of a 401. */
export type EndReason = NonNullable<Refusal['reason']>

export type AuthState =
  /** No answer yet. */
  | { readonly status: 'unknown' }
  | {
    readonly status: 'signed-in'
    readonly session: Session
    /** Whether the end is near: the warning is due. Computed while `watch` runs, and with each answer. */
    readonly isWarned: boolean
    /** False where the session ends at its absolute lifetime, which `extend` does not move. */
    readonly canExtend: boolean
  }
  /** `ended`: this page has seen a session. `guest`: it has not. */
  | { readonly status: 'guest' | 'ended', readonly reason: EndReason }

/** The parameters of `GET /api/auth/login`, under the server's names. */
export interface LoginParameters {
  role?: string | undefined
  /** Default: the present page. */
  returnTo?: string | undefined
  /** Seconds: the user signs in again unless that was at most so long ago. */
  max_age?: number | undefined
  prompt?: string | undefined
  login_hint?: string | undefined
  lang?: string | undefined
  identity_provider?: string | undefined
  screen_hint?: string | undefined
}

export interface ClientOptions {
  /** `PUBLIC_URL` of the sign-in server. Default: the page's own origin. */
  baseUrl?: string | undefined
  /** The path of the server's routes. Default `/api/auth`. */
  path?: string | undefined
  /** How long before its end a session is `isWarned`, in seconds; at least 22. Default 120. */
  warnSeconds?: number | undefined
  /** What `fetch` does when a route needs a sign-in of at most `maxAge` seconds ago. Default: `signIn`. */
  onRecentSignIn?: ((maxAge: number) => void) | undefined
}

/**
 * A question that was not answered as it should have been, with the members of the server's error.
 *
 * `code` is the server's, such as `ERR_DATABASE`, or one of the client's own: `NO_ANSWER` (no connection, not allowed
 * by CORS, or not within 10 s), `BAD_ANSWER` (not from the sign-in server), `SIGN_IN_LOOP`.
 */
export interface AuthError extends Error {
  code: string
  statusCode?: number
  requestId?: string
}

/**
 * - `change`: the state is another one;
 * - `tick`: while `watch` runs and the state is `isWarned`, at least every second;
 * - `error`: a question of `watch` or `fetch` failed, or `signIn` refused to go in circles (`SIGN_IN_LOOP`);
 * - `leave`: `signIn` is about to leave the page, or the page is left after its session has ended.
 */
export interface AuthEvent {
  type: 'change' | 'tick' | 'error' | 'leave'
  /** Of an `error`. */
  error: AuthError | undefined
}

/** Its functions need no `this`. */
export interface AuthClient {
  /** What is known, without a question. The same object until something changes. */
  readonly state: AuthState
  /** Whole seconds until the session ends; 0 without one. */
  secondsLeft: () => number
  /**
   * Asks who is signed in, and extends the session unless `slide` is false. Undefined for a guest.
   *
   * @throws {AuthError}
   */
  me: (options?: { slide?: boolean | undefined }) => Promise<Session | undefined>
  /** Extends the session at once. Undefined where it has ended. @throws {AuthError} */
  extend: () => Promise<Session | undefined>
  /**
   * Ends the session, and leads to Cognito's sign-out. A request that fails is repeated as a form, whose answer the
   * user sees.
   *
   * @param options.returnTo one of `LOGOUT_URLS`.
   */
  signOut: (options?: { returnTo?: string | undefined }) => Promise<void>
  /** The address of a login, for a link. */
  signInUrl: (parameters?: LoginParameters) => string
  /**
   * Leads to the login. Without a click of the user, it does so once a minute at most.
   *
   * @returns whether the page is being left.
   */
  signIn: (parameters?: LoginParameters) => boolean
  /** `fetch` with cookies. A 401 is looked into before it is returned, as it is. */
  fetch: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>
  /** Keeps `state` up to date, without extending the session, until the returned function is called. */
  watch: () => () => void
  /** Calls the listener with each event. @returns a function that removes it. */
  subscribe: (listener: (event: AuthEvent) => void) => () => void
}
