import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { hasCookie } from '../../../src/cookie-header.js'
import {
  ERR_DATABASE, ERR_FOREIGN_ORIGIN, ERR_LOGOUT_URL, ERR_OVERLOADED, ERR_VALIDATION
} from '../../../src/errors.js'
import { signOutUrl } from '../../../src/login/paths.js'
import { isFromOtherSite } from '../../../src/origin.js'
import { signOutPage } from '../../../src/pages/index.js'
import { NO_STORE, SIGN_OUT_COOKIES } from '../../../src/schemas/headers.js'
import { pageResponse, redirectResponse } from '../../../src/schemas/page.js'
import { BODY_REFUSALS, pageRefusals } from '../../../src/schemas/refusals.js'
import { BY_ANYONE } from '../../../src/schemas/security.js'

/** The body is ignored; HTML forms send one anyway. In bytes. */
const BODY_LIMIT = 4096

const Logout = {
  type: 'object',
  additionalProperties: false,
  properties: {
    returnTo: {
      type: 'string',
      maxLength: 2048,
      description: 'Where the sign-out ends: one of `LOGOUT_URLS`. Default: `LOGOUT_URL`.'
    }
  }
} as const

const SignOutPage = {
  operationId: 'getSignOutPage',
  summary: 'A page with a button that signs out',
  tags: ['pages'],
  security: BY_ANYONE,
  querystring: Logout,
  response: {
    200: pageResponse('The page.'),
    ...pageRefusals(ERR_VALIDATION, ERR_LOGOUT_URL, ERR_DATABASE, ERR_OVERLOADED)
  }
} as const

const SignOut = {
  operationId: 'signOut',
  summary: 'Ends the session, here and at Cognito',
  description: 'Also without a session. The body is ignored, so that a form can send it.',
  tags: ['session'],
  security: BY_ANYONE,
  querystring: Logout,
  response: {
    200: {
      type: 'object',
      required: ['logoutUrl'],
      properties: {
        logoutUrl: { type: 'string', format: 'uri', description: 'Where the browser goes to end Cognito\'s session.' }
      },
      description: 'With `Accept: application/json`: the session is gone.',
      headers: { 'cache-control': NO_STORE, 'set-cookie': SIGN_OUT_COOKIES },
      examples: [{
        logoutUrl: 'https://example.auth.eu-west-1.amazoncognito.com/logout?' +
          'client_id=1example23456789&logout_uri=https%3A%2F%2Fauth.example.com%2F'
      }]
    },
    303: redirectResponse('The session is gone: to Cognito\'s sign-out.', SIGN_OUT_COOKIES),
    ...pageRefusals(ERR_VALIDATION, ERR_LOGOUT_URL, ERR_FOREIGN_ORIGIN, ERR_DATABASE, ERR_OVERLOADED, ...BODY_REFUSALS)
  }
} as const

/**
 * `POST /api/auth/logout`: ends the session here, then at Cognito. The session is gone before Cognito is
 * asked to revoke the refresh token, so that it also ends while Cognito is down. `returnTo` is one of `LOGOUT_URLS`.
 *
 * A browser sends no `SameSite=Lax` cookie with a form of another site. Such a sign-out would end nothing, so it is
 * refused; the page of the refusal has a button that signs out. `GET /api/auth/logout` is the same page.
 *
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_VALIDATION} {ERR_LOGOUT_URL} 400
 * @throws {ERR_DATABASE} 503: the session may still be there, and so is its cookie; its refresh token is revoked.
 * @throws {ERR_OVERLOADED} 503
 */
const logout: FastifyPluginAsyncTypebox = async (fastify) => {
  const { cognito, config, hooks, tokens } = fastify
  const { COOKIE_NAME, LOGOUT_URL, LOGOUT_URLS, PUBLIC_URL, prefix } = config

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.get('/logout', {
    schema: SignOutPage,
    config: { page: 'sign-out' }
  }, async ({ query, session: { user } }, reply) => {
    const url = signOutUrl(registered(query.returnTo), prefix)
    return reply.sendPage((view) => signOutPage({ signOutUrl: url, user }, view))
  })

  fastify.post('/logout', {
    schema: SignOut,
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
  dependencies: ['config', 'hooks', 'pages', 'cognito', 'tokens', 'session', 'session-changes', 'origins']
})
