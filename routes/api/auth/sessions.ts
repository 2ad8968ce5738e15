import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'

const Time = { type: 'string', format: 'date-time' } as const
const MaybeText = { type: ['string', 'null'] } as const

const Sessions = {
  type: 'array',
  description: 'The current session first, then the one that was seen last.',
  items: {
    type: 'object',
    required: ['id', 'current', 'createdAt', 'lastSeenAt', 'expiresAt', 'userAgent', 'device', 'ip'],
    properties: {
      id: { type: 'string', description: 'Names the session. No secret: it cannot be used as a cookie.' },
      current: { type: 'boolean', description: 'Whether it is the session of this request.' },
      createdAt: { ...Time, description: 'When the user signed in.' },
      lastSeenAt: {
        ...Time,
        description: 'When the session was last used, to within `SESSION_TOUCH_INTERVAL`. Close to the absolute ' +
          'lifetime, where the expiry no longer moves, to within `SESSION_TTL`.'
      },
      expiresAt: { ...Time, description: 'When the session ends if it is not used.' },
      userAgent: { ...MaybeText, description: 'At sign-in, at most 256 characters. Null if it is not known.' },
      device: { ...MaybeText, description: 'The user agent in words, in English, such as `Chrome on Windows`.' },
      ip: { ...MaybeText, description: 'The client address at sign-in. Null if it is not known.' }
    }
  }
} as const

/**
 * `GET /api/auth/sessions`: the signed-in user's sessions on all devices. `DELETE` ends all but the current one.
 *
 * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_DATABASE} 503: sessions may have ended, and then their refresh tokens are revoked.
 */
const sessions: FastifyPluginAsyncTypebox = async (fastify) => {
  const { userSessions } = fastify

  fastify.get('/sessions', {
    schema: {
      summary: 'List the user\'s sessions',
      description: 'The sessions of the signed-in user, on all devices.',
      response: { 200: Sessions }
    }
  }, async (request) => userSessions.list(request))

  fastify.delete('/sessions', {
    schema: {
      summary: 'End the user\'s other sessions',
      description: 'Ends all sessions of the signed-in user but that of the request. The other devices get a 401 ' +
        'with the reason `ended_elsewhere` at their next request. Their refresh tokens are revoked.',
      response: { 204: { type: 'null', description: 'They have ended.' } }
    }
  }, async (request, reply) => {
    await userSessions.endOthers(request)
    return reply.code(204).send(null)
  })
}

export default fp(sessions, {
  name: 'route:sessions', encapsulate: true, dependencies: ['origins', 'user-sessions']
})
