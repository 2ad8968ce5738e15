import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { unauthenticated } from '../../../src/end-reason.js'
import { ERR_DATABASE, ERR_OVERLOADED, ERR_UNAUTHENTICATED, ERR_VALIDATION } from '../../../src/errors.js'
import { refusals } from '../../../src/schemas/refusals.js'
import { BY_SESSION } from '../../../src/schemas/security.js'
import { sessionResponse } from '../../../src/schemas/session.js'
import { seenSessionAnswer, sessionAnswer } from '../../../src/session-answer.js'

const Me = {
  operationId: 'getSession',
  summary: 'Who is signed in, and until when',
  description: 'Extends the session as any other use does, unless `slide=false`. `HEAD` never extends it.',
  tags: ['session'],
  security: BY_SESSION,
  querystring: {
    type: 'object',
    properties: {
      slide: {
        type: 'string',
        enum: ['', 'true', 'false'],
        description: '`false`: this request does not count as use of the session.'
      }
    }
  },
  response: { 200: sessionResponse, ...refusals(ERR_VALIDATION, ERR_UNAUTHENTICATED, ERR_DATABASE, ERR_OVERLOADED) }
} as const

/**
 * `GET /api/auth/me`: who is signed in, and until when. `expiresAt` is a lower bound: this request may extend it.
 * With `slide=false`, and as `HEAD`, it tells without extending: a page that only looks does not count as use.
 *
 * @throws {ERR_VALIDATION} 400
 * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`
 * @throws {ERR_DATABASE} {ERR_OVERLOADED} 503
 */
const me: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, deviceBound, otherSites, sessionStore: store, sessionViewer } = fastify

  fastify.get('/me', { schema: Me, config: { readsOnly: true } }, async (request, reply) => {
    request.keepsExpiry = request.method === 'HEAD' || request.query.slide === 'false'
    const { seenSession: seen } = request
    if (seen !== null) {
      const isBrowser = request.headers['sec-fetch-site'] !== undefined
      const cookie = request.keepsExpiry ? undefined : sessionViewer.cookieOf(seen, isBrowser)
      if (cookie !== undefined) void reply.header('set-cookie', cookie)
      return seenSessionAnswer(seen, config.SESSION_ABSOLUTE_TTL)
    }
    const { session } = request
    const answer = sessionAnswer(store, session, config.SESSION_ABSOLUTE_TTL, deviceBound?.isBound(session))
    if (answer !== undefined) return answer
    throw unauthenticated(await request.endReason(), otherSites.find((site) => site === request.headers.origin))
  })
}

export default fp(me, {
  name: 'route:me',
  encapsulate: true,
  dependencies: ['config', 'device-bound', 'origins', 'session-store', 'session', 'session-changes', 'session-viewer']
})
