import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { hasCookie } from '../../../src/cookie-header.js'
import { ERR_FOREIGN_ORIGIN, ERR_LOGOUT_URL } from '../../../src/errors.js'
import { signOutUrl } from '../../../src/login/paths.js'
import { isFromOtherSite } from '../../../src/origin.js'
import { signOutPage } from '../../../src/pages/index.js'

/** The body is ignored; HTML forms send one anyway. In bytes. */
const BODY_LIMIT = 4096

const Logout = {
  type: 'object',
  additionalProperties: false,
  properties: { returnTo: { type: 'string', maxLength: 2048 } }
} as const

/**
 * `POST /api/auth/logout`: ends the session here, then at Cognito. The session is gone before Cognito is
 * asked to revoke the refresh token, so that it also ends while Cognito is down. `returnTo` is one of `LOGOUT_URLS`.
 *
 * A browser sends no `SameSite=Lax` cookie with a form of another site. Such a sign-out would end nothing, so it is
 * refused; the page of the refusal has a button that signs out. `GET /api/auth/logout` is the same page.
 *
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_LOGOUT_URL} 400
 * @throws {ERR_DATABASE} 503: the session may still be there, and so is its cookie; its refresh token is revoked.
 */
const logout: FastifyPluginAsyncTypebox = async (fastify) => {
  const { cognito, config, hooks, tokens } = fastify
  const { COOKIE_NAME, LOGOUT_URL, LOGOUT_URLS, PUBLIC_URL, prefix } = config

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.get('/logout', {
    schema: { querystring: Logout },
    config: { page: 'sign-out' }
  }, async ({ query, session: { user } }, reply) => {
    const url = signOutUrl(registered(query.returnTo), prefix)
    return reply.sendPage((view) => signOutPage({ signOutUrl: url, user }, view))
  })

  fastify.post('/logout', {
    schema: { querystring: Logout },
    config: { page: 'sign-out' },
    onRequest: async ({ headers }) => {
      const hasSession = hasCookie(headers.cookie ?? '', (name) => name === COOKIE_NAME)
      if (!hasSession && isFromOtherSite(headers, PUBLIC_URL)) throw new ERR_FOREIGN_ORIGIN()
    }
  }, async (request, reply) => {
    const { session, log } = request
    const logoutUrl = cognito.logoutUrl(registered(request.query.returnTo) ?? LOGOUT_URL)
    const { user, role = '', roles = [] } = session
    const ended = await request.endSessions().catch(async (error: unknown) => {
      // The session may have ended all the same, and then no later request would find its refresh token.
      await tokens.revokeOf(log, [{ id: session.sessionId, session }])
      throw error
    })
    // The tokens as they were in the ended rows: another request may have renewed them since this one loaded them.
    await Promise.all([
      tokens.revokeOf(log, ended),
      user === undefined ? undefined : hooks.logout({ user, role, roles }, request)
    ])
    if (request.headers.accept?.includes('application/json') === true) return { logoutUrl }
    return reply.redirect(logoutUrl, 303)
  })

  /** @throws {ERR_LOGOUT_URL} */
  function registered (returnTo = ''): string | undefined {
    if (returnTo === '') return undefined
    if (!LOGOUT_URLS.includes(returnTo)) throw new ERR_LOGOUT_URL()
    return returnTo
  }
}

export default fp(logout, {
  name: 'route:logout',
  encapsulate: true,
  dependencies: ['config', 'hooks', 'pages', 'cognito', 'tokens', 'session', 'origins']
})
