import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { TokenVault } from '../../../src/login/token-vault.js'

/** A sign-out says nothing in its body; a form still sends one. */
const BODY_LIMIT = 4096

/**
 * `POST /api/auth/logout`: ends the session here, then at Cognito. The session is gone before Cognito is
 * asked to revoke the refresh token, so it ends while Cognito is down, too.
 *
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_DATABASE} 503: the session may still be there, and so is its cookie.
 */
const logout: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, cognito } = fastify
  const { COOKIE_NAME, COOKIE_DOMAIN, PUBLIC_URL } = config
  const vault = new TokenVault(config.SESSION_SECRET)
  const attributes = {
    path: '/', httpOnly: true, sameSite: 'lax', secure: PUBLIC_URL.startsWith('https:'),
    ...(COOKIE_DOMAIN === undefined ? {} : { domain: COOKIE_DOMAIN })
  } as const

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => { done(null) })

  fastify.post('/logout', { config: { page: true } }, async (request, reply) => {
    const { session, log } = request
    const sealed = session.refreshToken
    const refreshToken = sealed === undefined ? undefined : vault.open(sealed, session.sessionId)
    if (fastify.sessionStore.isStored(session)) await session.destroy()
    void reply.clearCookie(COOKIE_NAME, attributes)
    if (refreshToken !== undefined) {
      await cognito.revoke(refreshToken).catch((error: unknown) => {
        log.warn({ code: (error as { code?: string }).code }, 'The refresh token could not be revoked; it ends by its own lifetime')
      })
    }
    if (request.headers.accept?.includes('application/json') === true) return { logoutUrl: cognito.logoutUrl }
    return reply.redirect(cognito.logoutUrl, 303)
  })
}

export default fp(logout, { name: 'route:logout', encapsulate: true, dependencies: ['config', 'cognito', 'session', 'origins'] })
