import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { unauthenticated } from '../../../src/end-reason.js'
import { sessionAnswer } from '../../../src/session-answer.js'

const Me = {
  type: 'object',
  properties: {
    slide: { type: 'string', enum: ['', 'true', 'false'] }
  }
} as const

/**
 * `GET /api/auth/me`: who is signed in, and until when. `expiresAt` is a lower bound: this request may extend it.
 * With `slide=false`, and as `HEAD`, it tells without extending: a page that only looks does not count as use.
 *
 * @throws {ERR_VALIDATION} 400
 * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`
 * @throws {ERR_DATABASE} 503
 */
const me: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, otherSites, sessionStore: store } = fastify

  fastify.get('/me', { schema: { querystring: Me } }, async (request) => {
    request.keepsExpiry = request.method === 'HEAD' || request.query.slide === 'false'
    const answer = sessionAnswer(store, request.session, config.SESSION_ABSOLUTE_TTL)
    if (answer !== undefined) return answer
    throw unauthenticated(await request.endReason(), otherSites.find((site) => site === request.headers.origin))
  })
}

export default fp(me, {
  name: 'route:me', encapsulate: true, dependencies: ['config', 'origins', 'session-store', 'session']
})
