import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'

/** The body is ignored; HTML forms send one anyway. In bytes. */
const BODY_LIMIT = 4096

/**
 * `POST /api/auth/logout`: ends the session here, then at Cognito. The session is gone before Cognito is
 * asked to revoke the refresh token, so that it also ends while Cognito is down.
 *
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_DATABASE} 503: the session may still be there, and so is its cookie; its refresh token is revoked.
 */
const logout: FastifyPluginAsyncTypebox = async (fastify) => {
  const { cognito, tokens } = fastify

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.post('/logout', { config: { page: true } }, async (request, reply) => {
    const { session, log } = request
    const ended = await request.endSessions().catch(async (error: unknown) => {
      // The session may have ended all the same, and then no later request would find its refresh token.
      await tokens.revokeOf(log, [{ id: session.sessionId, session }])
      throw error
    })
    // The tokens as they were in the ended rows: another request may have renewed them since this one loaded them.
    await tokens.revokeOf(log, ended)
    if (request.headers.accept?.includes('application/json') === true) return { logoutUrl: cognito.logoutUrl }
    return reply.redirect(cognito.logoutUrl, 303)
  })
}

export default fp(logout, {
  name: 'route:logout', encapsulate: true, dependencies: ['cognito', 'tokens', 'session', 'origins']
})
