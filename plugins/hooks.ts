import type { FastifyBaseLogger, FastifyRequest, Session } from 'fastify'
import fp from 'fastify-plugin'
import { withDeadline } from '../src/deadline.js'
import type { EndReason } from '../src/end-reason.js'
import { codeOf, ERR_LOGIN_DENIED } from '../src/errors.js'
import type { User } from '../src/login/id-token.js'
import { OWN_KEYS, type OwnKey } from '../src/login/step-up.js'

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
export type LoginDecision =
  | void
  | undefined
  /** The login is refused with 403 ERR_LOGIN_DENIED. The person reads this text, cut at 500 characters. */
  | { refuse: string }
  /** Further content of the new session. Keys that this package fills in are an error. */
  | { session: Omit<Partial<Session>, OwnKey> }

/** Who has signed out. */
export interface LogoutIdentity {
  user: User
  role: string
  roles: readonly string[]
}

/** Something that happened to a session. More types may follow. */
export interface SessionEvent {
  type: 'ended'
  /**
   * - `signed_out`: a sign-out in this browser;
   * - `replaced`: the next sign-in in this browser;
   * - `ended_elsewhere`: `destroyByUser`, or from another browser;
   * - `role_lost`, `provider`: when the access token was renewed;
   * - `idle`, `absolute`: its lifetime was over when a request still named it. A session that no request names any
   *   more expires without an event.
   */
  reason: Exclude<EndReason, 'none'> | 'replaced'
  /** Undefined where only the cookie is known: `idle` and `absolute`. After `destroyByUser` there is only `sub`. */
  user: User | undefined
  /** The request that ended the session or found it ended; undefined if it was none of that session. */
  request: FastifyRequest | undefined
}

/** What an application does at the moments of a session's life. Each has five seconds. */
export interface AuthHooks {
  /**
   * Before a session is written, once ID token and role have been checked. An error with a `statusCode` from 400 to
   * 499 refuses the login, and its message is shown, as `{ refuse }` does. With any other error, and after five
   * seconds, the login fails with 500. In all these cases nobody is signed in, and a session that the browser had
   * stays.
   */
  onLogin?: (identity: LoginIdentity, request: FastifyRequest) => LoginDecision | Promise<LoginDecision>
  /** After a user's sign-out has ended the session. The answer waits for it; an error is only logged. */
  onLogout?: (identity: LogoutIdentity, request: FastifyRequest) => void | Promise<void>
  /** After a session has ended. Nothing waits for it, and an error is only logged. */
  onSession?: (event: SessionEvent) => void | Promise<void>
}

/** The application's hooks, safe to call. */
export interface Hooks {
  /**
   * What the application adds to the new session.
   *
   * @throws {ERR_LOGIN_DENIED} and what `onLogin` throws.
   */
  login (identity: LoginIdentity, request: FastifyRequest): Promise<Record<string, unknown>>
  /** Never fails. */
  logout (identity: LogoutIdentity, request: FastifyRequest): Promise<void>
  /** Never fails. */
  ended (reason: SessionEvent['reason'], user: User | undefined, request?: FastifyRequest): void
}

declare module 'fastify' {
  interface FastifyInstance {
    hooks: Hooks
  }
}

const LIMIT_MS = 5000
const MAX_REFUSAL_LENGTH = 500

/** Decorates with `hooks`. */
export default fp<AuthHooks>(async (fastify, { onLogin, onLogout, onSession }) => {
  fastify.decorate('hooks', {
    async login (identity, request) {
      if (onLogin === undefined) return {}
      const decision = await bounded('onLogin', async () => onLogin(identity, request)).catch((error: unknown) => {
        throw refusalOf(error)
      })
      if (decision === undefined) return {}
      if ('refuse' in decision) throw denied(decision.refuse)
      return { ...ownFree(decision.session) }
    },

    async logout (identity, request) {
      if (onLogout === undefined) return
      await bounded('onLogout', async () => onLogout(identity, request)).catch(logged(request.log, 'onLogout'))
    },

    ended (reason, user, request) {
      if (onSession === undefined) return
      void bounded('onSession', async () => onSession({ type: 'ended', reason, user, request }))
        .catch(logged(request?.log ?? fastify.log, 'onSession'))
    }
  })
}, { name: 'hooks', fastify: '5.x' })

const bounded = async <Value>(name: string, run: () => Promise<Value>): Promise<Value> =>
  withDeadline(LIMIT_MS, run(), () => new Error(`${name} did not finish within ${LIMIT_MS} ms`))

const logged = (log: FastifyBaseLogger, hook: string) => (error: unknown): void => {
  log.error({ hook, code: codeOf(error), reason: error instanceof Error ? error.message : undefined }, 'A hook failed')
}

/** What a hook threw: a refusal if it blames the request. */
function refusalOf (error: unknown): unknown {
  const { statusCode, message } = error as { statusCode?: unknown, message?: unknown }
  const isRefusal = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  return isRefusal && typeof message === 'string' ? denied(message) : error
}

const denied = (message: string): Error => new ERR_LOGIN_DENIED(message.slice(0, MAX_REFUSAL_LENGTH))

/** @throws {TypeError} */
function ownFree (content: object): object {
  const own = Object.keys(content).find((key) => OWN_KEYS.has(key))
  if (own !== undefined) throw new TypeError(`onLogin must not set "${own}" of the session`)
  return content
}
