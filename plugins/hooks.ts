import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { AuthHooks, LoginIdentity, LogoutIdentity, SessionEvent } from '../src/auth-hooks.js'
import { sessionEnded, type SessionEnded } from '../src/channels.js'
import { withDeadline } from '../src/deadline.js'
import { codeOf, ERR_LOGIN_DENIED } from '../src/errors.js'
import type { User } from '../src/login/id-token.js'
import { OWN_KEYS } from '../src/login/step-up.js'

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
export default fp<AuthHooks<FastifyRequest>>(async (fastify, { onLogin, onLogout, onSession }) => {
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
      if (sessionEnded.hasSubscribers) sessionEnded.publish({ scope: fastify, reason } satisfies SessionEnded)
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
