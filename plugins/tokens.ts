import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { codeOf } from '../src/errors.js'
import { latest } from '../src/latest.js'
import { SessionTokens, tokensOf, type KeptTokens } from '../src/login/session-tokens.js'
import { copyWith } from '../src/sessions/index.js'

/** Cognito's tokens, as sessions keep them. */
export interface TokenKeeper extends Pick<SessionTokens, 'encrypt' | 'refreshToken' | 'accessToken'> {
  /** Adds the hook that encrypts a session's tokens again, where there is more than one secret. After the session's. */
  addHooks (instance: FastifyInstance): void
  /** Revokes a refresh token, if there is one. Never fails; bounded as every call to Cognito. */
  revoke (log: FastifyBaseLogger, refreshToken: string | undefined): Promise<void>
  /**
   * Revokes the refresh tokens of sessions that have ended. Never fails.
   *
   * @param ended `id`: as in the cookie, or the public id, by which the token of an earlier version is not found.
   */
  revokeOf (log: FastifyBaseLogger, ended: readonly { id: string, session: KeptTokens }[]): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    tokens: TokenKeeper
  }
}

/** Null where none is loaded: for a route that does not exist. */
type SessionHolder = Pick<FastifyRequest, 'log'> & { session: FastifyRequest['session'] | null }

/** Duration of the lease for encrypting a session's tokens again. */
const REENCRYPT_LEASE_MS = 15_000

/**
 * Decorates with `tokens`. Tokens that were encrypted with an older secret of SESSION_SECRET are encrypted with the
 * first one when their session is used.
 */
export default fp(async (fastify) => {
  const { config, cognito, sessionStore: store } = fastify
  // Tokens of earlier versions are bound to the session's id.
  const tokens = latest(
    () => config.SESSION_SECRET, (secrets) => new SessionTokens(secrets, (id) => [...store.publicIds(id), id])
  )

  async function revoke (log: FastifyBaseLogger, refreshToken: string | undefined): Promise<void> {
    if (refreshToken === undefined) return
    await cognito.revoke(refreshToken).catch((error: unknown) => {
      log.warn({ code: codeOf(error) }, 'Could not revoke the refresh token; it will expire on its own')
    })
  }

  fastify.decorate('tokens', {
    addHooks (instance) {
      // The list may get longer while the server runs.
      const mayRotate = config.SESSION_SECRET.length > 1 || config.SESSION_SECRET_FILE !== undefined
      if (mayRotate) instance.addHook('onRequest', encryptAgain)
    },
    encrypt: (issued, sessionId, since) => tokens().encrypt(issued, sessionId, since),
    refreshToken: (session, sessionId) => tokens().refreshToken(session, sessionId),
    accessToken: (session, sessionId, times) => tokens().accessToken(session, sessionId, times),
    revoke,
    async revokeOf (log, ended) {
      await Promise.all(ended.map(async ({ id, session }) => {
        const refreshToken = tokens().refreshToken(session, id)
        if (refreshToken === undefined && session.refreshToken !== undefined) {
          log.warn('Could not decrypt the refresh token of a session that has ended; it will expire on its own')
        }
        await revoke(log, refreshToken)
      }))
    }
  })

  async function encryptAgain ({ session, log }: SessionHolder): Promise<void> {
    if (session === null || !store.isStored(session)) return
    if (tokens().reencrypt(session, session.sessionId) === undefined) return
    try {
      await reencrypt(session.sessionId)
    } catch (error) {
      log.warn({ code: codeOf(error) }, 'Could not encrypt the tokens of a session with the new secret')
    }
  }

  /** With the lease of the token refresh: an older token must not overwrite a newer one. */
  async function reencrypt (id: string): Promise<void> {
    const lease = await store.acquireLease(id, REENCRYPT_LEASE_MS)
    if (!lease.acquired) return // the next request will do
    try {
      const current = await store.promises.get(id)
      if (current === null) return
      const kept = tokens().reencrypt(tokensOf(current), id)
      // The expiry stays: the request may only look, and otherwise moves it itself.
      if (kept !== undefined) await store.promises.set(id, copyWith(current, { ...kept }))
    } finally {
      await lease.release()
    }
  }
}, { name: 'tokens', fastify: '5.x', dependencies: ['config', 'session-store', 'session', 'cognito'] })
