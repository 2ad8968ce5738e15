import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { unauthenticated, type EndReason } from '../src/end-reason.js'
import { codeOf, ERR_NOT_FOUND } from '../src/errors.js'
import type { User } from '../src/login/id-token.js'
import { tokensOf } from '../src/login/session-tokens.js'
import type { EndedSession, SessionData, UserSession } from '../src/sessions/index.js'
import { listedSessions, type ListedSession } from '../src/user-sessions.js'

/** Each fails with ERR_UNAUTHENTICATED (401, with the reason) for a guest, and with ERR_DATABASE (503). */
export interface UserSessions {
  list (request: FastifyRequest): Promise<ListedSession[]>
  /**
   * Ends the session with this public id and revokes its refresh token. That of the request itself is signed out,
   * with its cookie, as by `POST /api/auth/logout`.
   *
   * @returns whether it was that of the request.
   * @throws {ERR_NOT_FOUND} 404 if the user has no such session, or no longer.
   */
  end (request: FastifyRequest, id: string): Promise<{ isCurrent: boolean }>
  /** Ends all sessions of the user but that of the request, and revokes their refresh tokens. */
  endOthers (request: FastifyRequest): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The sessions of the signed-in user, on all devices. */
    userSessions: UserSessions
  }
}

/**
 * Decorates with `userSessions`. A session is gone before Cognito is asked to revoke its refresh token. If the
 * database's answer is lost, its token is revoked all the same: nothing would find it later.
 */
export default fp(async (fastify) => {
  const { audit, config, deviceBound, hooks, sessionStore: store, tokens } = fastify
  const deviceOf = deviceBound === null ? undefined : (session: SessionData) => deviceBound.sessions.stateOf(session)
  const reason = 'ended_elsewhere' satisfies EndReason
  const how = (request: FastifyRequest) =>
    ({ reason, events: audit && [audit.event(request, 'ended', { actor: 'user', reason })] })

  fastify.decorate('userSessions', {
    async list (request) {
      const sub = await userOf(request)
      const sessions = await store.listByUser(sub)
      return listedSessions(store, sessions, currentIds(request), config.SESSION_TTL, deviceOf)
    },

    async end (request, id) {
      const sub = await userOf(request)
      if (currentIds(request).includes(id)) {
        await endCurrent(request)
        return { isCurrent: true }
      }
      const found = (await store.listByUser(sub)).find((one) => one.id === id)
      if (found === undefined) throw new ERR_NOT_FOUND()
      const ended = await revokingOnFailure(request, [found], async () =>
        store.consumeOfUser(sub, id, how(request)))
      if (ended === null) throw new ERR_NOT_FOUND()
      tell(request, [ended])
      await revoke(request, [ended])
      return { isCurrent: false }
    },

    async endOthers (request) {
      const sub = await userOf(request)
      const current = currentIds(request)
      const others = (await store.listByUser(sub)).filter(({ id }) => !current.includes(id))
      const ended = await revokingOnFailure(request, others, async () =>
        store.consumeByUser(sub, { except: request.session.sessionId, ...how(request) }))
      tell(request, ended)
      await revoke(request, ended)
    }
  })

  /** @throws {ERR_UNAUTHENTICATED} */
  async function userOf (request: FastifyRequest): Promise<string> {
    const { session } = request
    if (session.user === undefined || !store.isStored(session)) throw unauthenticated(await request.endReason())
    return session.user.sub
  }

  const currentIds = ({ session }: FastifyRequest): string[] => store.publicIds(session.sessionId)

  async function endCurrent (request: FastifyRequest): Promise<void> {
    const { session } = request
    const ended = await request.endSessions().catch(async (error: unknown) => {
      await tokens.revokeOf(request.log, [{ id: session.sessionId, session }])
      throw error
    })
    await tokens.revokeOf(request.log, ended)
  }

  async function revokingOnFailure<Ended> (
    request: FastifyRequest, listed: readonly UserSession[], end: () => Promise<Ended>
  ): Promise<Ended> {
    try {
      return await end()
    } catch (error) {
      request.log.warn({ code: codeOf(error) }, 'It is unknown whether sessions have ended; their tokens are revoked')
      await revoke(request, listed)
      throw error
    }
  }

  function tell (request: FastifyRequest, ended: readonly EndedSession[]): void {
    for (const { session } of ended) hooks.ended(reason, session.user as User | undefined, request)
  }

  const revoke = async ({ log }: FastifyRequest, ended: readonly Pick<EndedSession, 'id' | 'session'>[]) =>
    tokens.revokeOf(log, ended.map(({ id, session }) => ({ id, session: tokensOf(session) })))
}, {
  name: 'user-sessions',
  fastify: '5.x',
  dependencies: ['audit', 'config', 'device-bound', 'hooks', 'session-store', 'session', 'session-changes', 'tokens']
})
