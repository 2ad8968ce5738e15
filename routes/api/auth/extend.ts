import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { unauthenticated } from '../../../src/end-reason.js'
import { sessionAnswer } from '../../../src/session-answer.js'

/** The body is ignored; HTML forms send one anyway. In bytes. */
const BODY_LIMIT = 4096

/**
 * `POST /api/auth/extend`: extends the session at once, whatever `SESSION_TOUCH_INTERVAL` says, and answers as
 * `GET /api/auth/me`. The absolute lifetime stays.
 *
 * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_DATABASE} 503: the session may not have been extended.
 */
const extend: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, sessionStore: store } = fastify

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.post('/extend', async (request) => {
    const { session } = request
    const isLive = session.user !== undefined && store.isStored(session) &&
      await store.extend(session.sessionId, session)
    const answer = isLive ? sessionAnswer(store, session, config.SESSION_ABSOLUTE_TTL) : undefined
    if (answer === undefined) throw unauthenticated(await request.endReason())
    return answer
  })
}

export default fp(extend, {
  name: 'route:extend', encapsulate: true, dependencies: ['config', 'session-store', 'session', 'origins']
})
