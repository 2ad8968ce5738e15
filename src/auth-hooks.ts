/**
 * What an application does at the moments of a session's life. `Request` is Fastify's, and `Content` what the
 * application may keep in a session.
 *
 * @module
 */
import type { EndReason } from './end-reason.js'
import type { User } from './login/id-token.js'

/** Who is about to sign in. */
export interface LoginIdentity {
  /** From the verified ID token. */
  user: User
  /** The role that the login asked for. It is granted. */
  role: string
  /** All roles of the user. */
  roles: readonly string[]
  /** The groups of the ID token, before `ROLE_MAP`. */
  groups: readonly string[]
  /** When the user signed in at the provider, in seconds since 1970. Absent if it did not say. */
  authTime?: number
  /** Whether this login confirms the user who is signed in already (`max_age`). */
  isStepUp: boolean
}

/** What `onLogin` decides. Nothing: the user is signed in. */
export type LoginDecision<Content = object> =
  | void
  | undefined
  /** The login is refused with 403 ERR_LOGIN_DENIED. The person reads this text, cut at 500 characters. */
  | { refuse: string }
  /** Further content of the new session. Keys that this package fills in are an error. */
  | { session: Content }

/** Who has signed out. */
export interface LogoutIdentity {
  user: User
  role: string
  roles: readonly string[]
}

/** Something that happened to a session. More types may follow. */
export interface SessionEvent<Request = unknown> {
  type: 'ended'
  /**
   * - `signed_out`: a sign-out in this browser;
   * - `replaced`: the next sign-in in this browser, or one elsewhere with `SESSION_LIMIT`;
   * - `ended_elsewhere`: `destroyByUser`, or from another browser;
   * - `role_lost`, `provider`: when the access token was renewed;
   * - `idle`, `absolute`: its lifetime was over when a request still named it. A session that no request names any
   *   more expires without an event.
   */
  reason: Exclude<EndReason, 'none'>
  /** Undefined where only the cookie is known: `idle` and `absolute`. After `destroyByUser` there is only `sub`. */
  user: User | undefined
  /** The request that ended the session or found it ended; undefined if it was none of that session. */
  request: Request | undefined
}

/** What an application does at the moments of a session's life. Each has five seconds. */
export interface AuthHooks<Request = unknown, Content = object> {
  /**
   * Before a session is written, once ID token and role have been checked. An error with a `statusCode` from 400 to
   * 499 refuses the login, and its message is shown, as `{ refuse }` does. With any other error, and after five
   * seconds, the login fails with 500. In all these cases the user is not signed in, and a session that the browser had
   * stays.
   */
  onLogin?:
    | ((identity: LoginIdentity, request: Request) => LoginDecision<Content> | Promise<LoginDecision<Content>>)
    | undefined
  /** After a user's sign-out has ended the session. The answer waits for it; an error is only logged. */
  onLogout?: ((identity: LogoutIdentity, request: Request) => void | Promise<void>) | undefined
  /** After a session has ended. Nothing waits for it, and an error is only logged. */
  onSession?: ((event: SessionEvent<Request>) => void | Promise<void>) | undefined
}
