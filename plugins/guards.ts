import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { unauthenticated } from '../src/end-reason.js'
import { ERR_RECENT_SIGN_IN, ERR_ROLE_NOT_GRANTED, ERR_ROLE_UNKNOWN } from '../src/errors.js'
import { MAX_MAX_AGE_S } from '../src/login/login-request.js'
import type { User } from '../src/login/id-token.js'
import { isRecent } from '../src/login/step-up.js'
import { foreignOrigin } from '../src/origin.js'

/** A `preHandler`. */
export type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * A `preHandler` for routes of signed-in users. Like the other guards it also refuses unsafe requests from pages
     * whose origin is neither that of `PUBLIC_URL` nor in `RETURN_ORIGINS`.
     *
     * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`.
     * @throws {ERR_FOREIGN_ORIGIN} 403
     */
    requireSession: Guard
    /**
     * A `preHandler` for routes of users who have this role, whichever one they asked for at sign-in.
     *
     * @throws {ERR_ROLE_UNKNOWN} at once, if the role is not in `ROLES`.
     * @throws {ERR_UNAUTHENTICATED} 401 {ERR_FOREIGN_ORIGIN} {ERR_ROLE_NOT_GRANTED} 403
     */
    requireRole (role: string): Guard
    /**
     * A `preHandler` for routes of users who signed in at most `maxAge` seconds ago. The refusal has the challenge of
     * RFC 9470 §3 (`WWW-Authenticate: Bearer error="insufficient_user_authentication", max_age=…`). There is no
     * registered scheme for session cookies; `Bearer` is the one for which the RFC defines the challenge. The browser
     * is then sent to `/api/auth/login?max_age=…`.
     *
     * @param maxAge a whole number from 1 to 86,400, compared without a tolerance.
     * @throws {RangeError} at once, for any other number.
     * @throws {ERR_UNAUTHENTICATED} {ERR_RECENT_SIGN_IN} 401 {ERR_FOREIGN_ORIGIN} 403
     */
    requireRecentSignIn (maxAge: number): Guard
  }
}

/** Decorates with the guards of routes. */
export default fp(async (fastify) => {
  const { config, sessionStore: store } = fastify

  const requireSession: Guard = async (request) => {
    if (fastify.isFromForeignPage(request)) throw foreignOrigin(request.headers)
    // Null where the application has no session hooks: before them, or for an unknown route.
    const { session }: { session: { user?: User } | null } = request
    if (session?.user === undefined) throw unauthenticated(await fastify.sessionChanges.endReason(request))
  }

  fastify.decorate('requireSession', requireSession)

  fastify.decorate('requireRole', (role): Guard => {
    if (!config.ROLES.includes(role)) throw new ERR_ROLE_UNKNOWN(config.ROLES.join(', '))
    return async (request, reply) => {
      await requireSession(request, reply)
      if (request.session.roles?.includes(role) !== true) throw new ERR_ROLE_NOT_GRANTED(role)
    }
  })

  fastify.decorate('requireRecentSignIn', (maxAge): Guard => {
    if (!Number.isInteger(maxAge) || maxAge < 1 || maxAge > MAX_MAX_AGE_S) {
      throw new RangeError(`maxAge must be a whole number of seconds from 1 to ${MAX_MAX_AGE_S}`)
    }
    return async (request, reply) => {
      await requireSession(request, reply)
      const { session } = request
      if (isRecent(session.authTime, maxAge, store.databaseNow(session) ?? Infinity)) return
      void reply.header('www-authenticate', `Bearer error="insufficient_user_authentication", max_age=${maxAge}`)
      throw new ERR_RECENT_SIGN_IN(String(maxAge))
    }
  })
}, { name: 'guards', fastify: '5.x', dependencies: ['config', 'session-store', 'session-changes', 'origins'] })
