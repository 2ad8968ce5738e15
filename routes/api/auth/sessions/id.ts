import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import {
  ERR_DATABASE, ERR_FOREIGN_ORIGIN, ERR_NOT_FOUND, ERR_OVERLOADED, ERR_UNAUTHENTICATED, ERR_VALIDATION
} from '../../../../src/errors.js'
import { endedResponse } from '../../../../src/schemas/ended.js'
import { JSON_BODY_REFUSALS, refusals } from '../../../../src/schemas/refusals.js'
import { BY_SESSION } from '../../../../src/schemas/security.js'

const Params = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', maxLength: 64, description: 'As `GET /api/auth/sessions` has it.' } }
} as const

/** A body is ignored. In bytes. */
const BODY_LIMIT = 4096

/**
 * `DELETE /api/auth/sessions/:id`: ends one session of the signed-in user. Its device is a guest at its next request.
 *
 * @throws {ERR_VALIDATION} 400
 * @throws {ERR_UNAUTHENTICATED} 401, with the `reason`
 * @throws {ERR_FOREIGN_ORIGIN} 403
 * @throws {ERR_NOT_FOUND} 404: the user has no such session, or no longer.
 * @throws {ERR_DATABASE} 503: the session may have ended. Its refresh token is revoked.
 * @throws {ERR_OVERLOADED} 503
 */
const session: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.delete('/sessions/:id', {
    bodyLimit: BODY_LIMIT,
    schema: {
      operationId: 'endSession',
      summary: 'End one of the user\'s sessions',
      description: 'The session\'s device gets a 401 with the reason `ended_elsewhere` at its next request, and its ' +
        'refresh token is revoked. The current session is signed out as by `POST /api/auth/logout`, without ' +
        'Cognito\'s own sign-out.',
      tags: ['session'],
      security: BY_SESSION,
      params: Params,
      response: {
        204: endedResponse('It has ended.'),
        ...refusals(
          ERR_VALIDATION, ERR_UNAUTHENTICATED, ERR_FOREIGN_ORIGIN, ERR_NOT_FOUND, ERR_DATABASE, ERR_OVERLOADED,
          ...JSON_BODY_REFUSALS
        )
      }
    }
  }, async (request, reply) => {
    await fastify.userSessions.end(request, request.params.id)
    return reply.code(204).send(null)
  })
}

export default fp(session, {
  name: 'route:sessions/id', encapsulate: true, dependencies: ['origins', 'user-sessions']
})
