import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'

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
  const { COOKIE_NAME, COOKIE_DOMAIN } = config
  const attributes = { path: '/', ...(COOKIE_DOMAIN === undefined ? {} : { domain: COOKIE_DOMAIN }) }

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => { done(null) })

  fastify.post('/logout', { config: { page: true } }, async (request, reply) => {
    // What the rows held when they went: a request under way may have renewed the tokens since ours was read.
    const ended = await request.endSessions()
    if (fastify.sessionStore.isStored(request.session)) await request.session.destroy()
    void reply.clearCookie(COOKIE_NAME, attributes)
    await fastify.tokens.revokeOf(request.log, ended)
    if (request.headers.accept?.includes('application/json') === true) return { logoutUrl: cognito.logoutUrl }
    return reply.redirect(cognito.logoutUrl, 303)
  })
}

export default fp(logout, { name: 'route:logout', encapsulate: true, dependencies: ['config', 'cognito', 'tokens', 'session', 'origins'] })
