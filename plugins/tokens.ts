import { promisify } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { SessionTokens, type KeptTokens, type TokenSession, type Tokens } from '../src/login/session-tokens.js'
import type { SessionData } from '../src/sessions/serialise.js'

declare module 'fastify' {
  interface FastifyInstance {
    tokens: {
      /** What a new session of this id keeps of the tokens. */
      seal (tokens: Tokens, sessionId: string): KeptTokens
      /** Revokes the refresh tokens of sessions that were ended. Never fails; bounded as every call to Cognito. */
      revokeOf (log: FastifyBaseLogger, ended: readonly { id: string, session: KeptTokens }[]): Promise<void>
      /** Revokes a refresh token, if there is one. Never fails. */
      revoke (log: FastifyBaseLogger, refreshToken: string | undefined): Promise<void>
      readonly sealed: SessionTokens
    }
  }
}

/** The longest turn of sealing a session's tokens anew, in milliseconds. */
const RESEAL_MS = 15_000

/**
 * Decorates with `tokens`: Cognito's tokens, as sessions keep them. Those sealed with an older secret of
 * SESSION_SECRET are sealed with the first as their session is used.
 */
export default fp(async (fastify) => {
  const { config, cognito, sessionStore: store } = fastify
  const sealed = new SessionTokens(config.SESSION_SECRET)

  const revoke = async (log: FastifyBaseLogger, refreshToken: string | undefined): Promise<void> => {
    if (refreshToken === undefined) return
    await cognito.revoke(refreshToken).catch((error: unknown) => {
      log.warn({ code: (error as { code?: string }).code }, 'The refresh token could not be revoked; it ends by its own lifetime')
    })
  }

  fastify.decorate('tokens', {
    sealed,
    revoke,
    seal: (tokens, sessionId) => sealed.seal(tokens, sessionId),
    async revokeOf (log, ended) {
      await Promise.all(ended.map(({ id, session }) => revoke(log, sealed.refreshToken(session, id))))
    }
  })

  if (config.SESSION_SECRET.length < 2) return
  const get = promisify(store.get.bind(store))
  const set = promisify(store.set.bind(store))

  fastify.addHook('onRequest', async ({ session, log }) => {
    if (!store.isStored(session) || sealed.reseal(session, session.sessionId) === undefined) return
    try {
      await reseal(session.sessionId)
    } catch (error) {
      log.warn({ code: (error as { code?: string }).code }, 'The tokens of a session could not be sealed with the new secret')
    }
  })

  /** In turn with whoever renews them: an older token must not overwrite a newer one. */
  async function reseal (id: string): Promise<void> {
    const turn = await store.acquireLease(id, RESEAL_MS)
    if (!turn.acquired) return // the next request will do
    try {
      const current = await get(id) as (SessionData & TokenSession) | null
      const anew = current === null ? undefined : sealed.reseal(current, id)
      if (anew !== undefined) await set(id, { ...current, ...anew, cookie: { ...current?.cookie, expires: new Date(Date.now() + config.SESSION_TTL * 1000) } })
    } finally {
      await turn.release()
    }
  }
}, { name: 'tokens', fastify: '5.x', dependencies: ['config', 'session-store', 'session', 'cognito'] })
