import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import {
  ERR_DATABASE, ERR_FOREIGN_ORIGIN, ERR_NOT_FOUND, ERR_OVERLOADED, ERR_UNAUTHENTICATED, ERR_VALIDATION
} from '../../../src/errors.js'
import { accountPath, devicePageUrl } from '../../../src/login/paths.js'
import { loginUrl } from '../../../src/login/recovery.js'
import { accountPage } from '../../../src/pages/index.js'
import { pageResponse, redirectResponse } from '../../../src/schemas/page.js'
import { BODY_REFUSALS, pageRefusals } from '../../../src/schemas/refusals.js'
import { BY_ANYONE } from '../../../src/schemas/security.js'

/** The body is ignored; HTML forms send one anyway. In bytes. */
const BODY_LIMIT = 4096

const Params = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', maxLength: 64, description: 'As `GET /api/auth/sessions` has it.' } }
} as const

const Redirect = redirectResponse('Back to the page; for a guest, to the login.')

/**
 * `GET /api/auth/account`: the page on which users see and end their sessions. Its forms post to
 * `/api/auth/account/end/:id` and `/api/auth/account/end`, because a form cannot send `DELETE`. `ACCOUNT_PAGE=false`
 * switches all of them off.
 *
 * A form whose session has ended meanwhile leads back to the page, which shows what is true now.
 *
 * @throws {ERR_VALIDATION} 400
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_DATABASE} {ERR_OVERLOADED} 503
 */
const account: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config: { ACCOUNT_PAGE, prefix }, userSessions } = fastify
  if (!ACCOUNT_PAGE) return
  const page = accountPath(prefix)

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.get('/account', {
    config: { page: true },
    schema: {
      operationId: 'getAccountPage',
      summary: 'The page of the user\'s sessions',
      description: 'The sessions of the signed-in user, and buttons that end them. Absent with `ACCOUNT_PAGE=false`.',
      tags: ['pages'],
      security: BY_ANYONE,
      response: {
        200: pageResponse('The page.'),
        303: redirectResponse('A guest: to the login.'),
        ...pageRefusals(ERR_DATABASE, ERR_OVERLOADED)
      }
    }
  }, async (request, reply) => {
    const { session: { user }, withoutDevice } = request
    if ((withoutDevice ?? null) !== null) return reply.redirect(devicePageUrl(page, prefix), 303)
    if (user === undefined) return toLogin(reply)
    const sessions = await userSessions.list(request)
    return reply.sendPage((view) => accountPage({ user, sessions }, view))
  })

  fastify.post('/account/end/:id', {
    config: { page: true },
    schema: {
      operationId: 'submitEndSession',
      summary: 'End one of the user\'s sessions by a form',
      description: 'As `DELETE /api/auth/sessions/:id`. Leads back to the page, or to `/` after the current session.',
      tags: ['pages'],
      security: BY_ANYONE,
      params: Params,
      response: {
        303: Redirect,
        ...pageRefusals(ERR_VALIDATION, ERR_FOREIGN_ORIGIN, ERR_DATABASE, ERR_OVERLOADED, ...BODY_REFUSALS)
      }
    }
  }, async (request, reply) => backToPage(reply, async () =>
    (await userSessions.end(request, request.params.id)).isCurrent ? '/' : page))

  fastify.post('/account/end', {
    config: { page: true },
    schema: {
      operationId: 'submitEndOtherSessions',
      summary: 'End the user\'s other sessions by a form',
      description: 'As `DELETE /api/auth/sessions`. Leads back to the page.',
      tags: ['pages'],
      security: BY_ANYONE,
      response: { 303: Redirect, ...pageRefusals(ERR_FOREIGN_ORIGIN, ERR_DATABASE, ERR_OVERLOADED, ...BODY_REFUSALS) }
    }
  }, async (request, reply) => backToPage(reply, async () => {
    await userSessions.endOthers(request)
    return page
  }))

  /** @param end gives where the form leads. */
  async function backToPage (reply: FastifyReply, end: () => Promise<string>): Promise<FastifyReply> {
    try {
      return reply.redirect(await end(), 303)
    } catch (error) {
      if (error instanceof ERR_UNAUTHENTICATED) return toLogin(reply)
      if (error instanceof ERR_NOT_FOUND) return reply.redirect(page, 303)
      throw error
    }
  }

  const toLogin = (reply: FastifyReply): FastifyReply =>
    reply.redirect(loginUrl({ returnTo: page }, { prefix }), 303)
}

export default fp(account, {
  name: 'route:account', encapsulate: true, dependencies: ['config', 'pages', 'session', 'origins', 'user-sessions']
})
