import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { exactly } from '../../../../src/cookies.js'
import { CHALLENGE_HEADER, IDENTIFIER_HEADER, PROOF_HEADER, single } from '../../../../src/device-bound/index.js'
import { ERR_DATABASE, ERR_DEVICE_CHALLENGE, ERR_DEVICE_SESSION } from '../../../../src/errors.js'
import type { User } from '../../../../src/login/id-token.js'
import { refreshedResponse } from '../../../../src/schemas/device.js'
import { BODY_REFUSALS, refusals } from '../../../../src/schemas/refusals.js'
import { FOR_ANYONE } from '../../../../src/schemas/security.js'

/** Browsers send no body, and it is ignored. In bytes. */
const BODY_LIMIT = 4096

const Refresh = {
  operationId: 'refreshDevice',
  summary: 'Renews the cookie that shows a session\'s device',
  description: 'Browsers ask this by themselves. `Sec-Secure-Session-Id` names the session: cookies are not read. ' +
    'Without a proof that holds, the answer is 403 and a challenge. Any other 4xx ends the browser\'s side.',
  tags: ['session'],
  security: FOR_ANYONE,
  response: {
    200: refreshedResponse,
    ...refusals(ERR_DEVICE_CHALLENGE, ERR_DEVICE_SESSION, ERR_DATABASE, ...BODY_REFUSALS)
  }
} as const

/**
 * `POST /api/auth/device/refresh`: renews the cookie of a bound session. It extends no session, and ends none.
 *
 * It has no rate limit: a browser forgets its key after a 429.
 *
 * @throws {ERR_DEVICE_CHALLENGE} 403, with a challenge that is good once, for a minute
 * @throws {ERR_DEVICE_SESSION} 401: the session has ended, or the identifier is none of this server
 * @throws {ERR_DATABASE} 503
 */
const refresh: FastifyPluginAsyncTypebox = async (fastify) => {
  const { deviceBound } = fastify
  if (deviceBound === null) return

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.post('/device/refresh', { schema: Refresh }, async (request, reply) => {
    const { headers } = request
    const identifier = single(headers[IDENTIFIER_HEADER]) ?? ''
    const answer = await deviceBound.sessions.refresh(identifier, single(headers[PROOF_HEADER]))
    if (answer.outcome === 'ended') throw new ERR_DEVICE_SESSION()
    const { challenge, sessionId, session } = answer
    const named = { id: sessionId, sub: (session.user as Partial<User> | undefined)?.sub }
    void reply.header(CHALLENGE_HEADER, challenge)
    if (answer.outcome === 'challenged') {
      if (answer.isRefused) deviceBound.tell('refused', request, named)
      throw new ERR_DEVICE_CHALLENGE()
    }
    deviceBound.tell('refreshed', request, named)
    const { name, value, attributes } = answer.cookie
    return reply.setCookie(name, value, exactly(attributes)).send()
  })
}

export default fp(refresh, { name: 'route:device-refresh', encapsulate: true, dependencies: ['device-bound'] })
