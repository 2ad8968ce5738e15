import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_DATABASE, ERR_FOREIGN_ORIGIN, ERR_OVERLOADED, ERR_UNAUTHENTICATED } from '../../../src/errors.js'
import { endedResponse } from '../../../src/schemas/ended.js'
import { NO_STORE, SET_COOKIE } from '../../../src/schemas/headers.js'
import { JSON_BODY_REFUSALS, refusals } from '../../../src/schemas/refusals.js'
import { BY_SESSION } from '../../../src/schemas/security.js'

const Time = { type: 'string', format: 'date-time' } as const
const MaybeText = { type: ['string', 'null'] } as const

const Sessions = {
  type: 'array',
  description: 'The current session first, then the one that was seen last.',
  items: {
    title: 'ListedSession',
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
      ip: { ...MaybeText, description: 'The client address at sign-in. Null if it is not known.' },
      deviceBound: {
        type: 'boolean', description: 'Whether it is bound to a device. Absent with `DEVICE_BOUND_SESSIONS=off`.'
      },
      withoutDeviceAt: {
        type: ['string', 'null'],
        format: 'date-time',
        description: 'When its cookie last came without its device, and was refused. Null: it never has. Absent with ' +
          '`DEVICE_BOUND_SESSIONS=off`.'
      }
    }
  },
  headers: { 'cache-control': NO_STORE, 'set-cookie': SET_COOKIE },
  examples: [[{
    id: 'Zm9yIGFuIGV4YW1wbGUsIGFuZCBub3RoaW5nIGVsc2U',
    current: true,
    createdAt: '2026-01-31T09:00:00.000Z',
    lastSeenAt: '2026-01-31T09:00:10.000Z',
    expiresAt: '2026-01-31T09:15:00.000Z',
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    device: 'Firefox on Linux',
    ip: '192.0.2.1'
  }]]
} as const

/** A body is ignored. In bytes. */
const BODY_LIMIT = 4096

/**
 * `GET /api/auth/sessions`: the signed-in user's sessions on all devices. `DELETE` ends all but the current one.
 *
 * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_DATABASE} 503: sessions may have ended, and then their refresh tokens are revoked.
 * @throws {ERR_OVERLOADED} 503
 */
const sessions: FastifyPluginAsyncTypebox = async (fastify) => {
  const { userSessions } = fastify

  fastify.get('/sessions', {
    schema: {
      operationId: 'listSessions',
      summary: 'List the user\'s sessions',
      description: 'The sessions of the signed-in user, on all devices.',
      tags: ['session'],
      security: BY_SESSION,
      response: { 200: Sessions, ...refusals(ERR_UNAUTHENTICATED, ERR_DATABASE, ERR_OVERLOADED) }
    }
  }, async (request) => userSessions.list(request))

  fastify.delete('/sessions', {
    bodyLimit: BODY_LIMIT,
    schema: {
      operationId: 'endOtherSessions',
      summary: 'End the user\'s other sessions',
      description: 'Ends all sessions of the signed-in user but that of the request. The other devices get a 401 ' +
        'with the reason `ended_elsewhere` at their next request. Their refresh tokens are revoked.',
      tags: ['session'],
      security: BY_SESSION,
      response: {
        204: endedResponse('They have ended.'),
        ...refusals(ERR_UNAUTHENTICATED, ERR_FOREIGN_ORIGIN, ERR_DATABASE, ERR_OVERLOADED, ...JSON_BODY_REFUSALS)
      }
    }
  }, async (request, reply) => {
    await userSessions.endOthers(request)
    return reply.code(204).send(null)
  })
}

export default fp(sessions, {
  name: 'route:sessions', encapsulate: true, dependencies: ['origins', 'user-sessions']
})
