import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { unauthenticated } from '../../../src/end-reason.js'
import { ERR_DATABASE, ERR_FOREIGN_ORIGIN, ERR_OVERLOADED, ERR_UNAUTHENTICATED } from '../../../src/errors.js'
import { BODY_REFUSALS, refusals } from '../../../src/schemas/refusals.js'
import { BY_SESSION } from '../../../src/schemas/security.js'
import { sessionResponse } from '../../../src/schemas/session.js'
import { sessionAnswer } from '../../../src/session-answer.js'

/** The body is ignored; HTML forms send one anyway. In bytes. */
const BODY_LIMIT = 4096

const Extend = {
  operationId: 'extendSession',
  summary: 'Extends the session at once',
  description: 'Its expiry is written whatever `SESSION_TOUCH_INTERVAL` says. The absolute lifetime stays.',
  tags: ['session'],
  security: BY_SESSION,
  response: {
    200: sessionResponse,
    ...refusals(ERR_UNAUTHENTICATED, ERR_FOREIGN_ORIGIN, ERR_DATABASE, ERR_OVERLOADED, ...BODY_REFUSALS)
  }
} as const

/**
 * `POST /api/auth/extend`: extends the session at once, whatever `SESSION_TOUCH_INTERVAL` says, and answers as
 * `GET /api/auth/me`. The absolute lifetime stays.
 *
 * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_DATABASE} 503: the session may not have been extended.
 * @throws {ERR_OVERLOADED} 503
 */
const extend: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, deviceBound, sessionStore: store } = fastify

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.post('/extend', { schema: Extend }, async (request) => {
    const { session } = request
    const isLive = session.user !== undefined && store.isStored(session) &&
      await store.extend(session.sessionId, session)
    const answer = isLive
      ? sessionAnswer(store, session, config.SESSION_ABSOLUTE_TTL, deviceBound?.isBound(session))
      : undefined
    if (answer === undefined) throw unauthenticated(await request.endReason())
    return answer
  })
}

export default fp(extend, {
  name: 'route:extend',
  encapsulate: true,
  dependencies: ['config', 'device-bound', 'session-store', 'session', 'session-changes', 'origins']
})
