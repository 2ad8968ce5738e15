import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { exactly } from '../../../../src/cookies.js'
import { CHALLENGE_HEADER, PROOF_HEADER, single } from '../../../../src/device-bound/index.js'
import { ERR_DATABASE, ERR_DEVICE_PROOF } from '../../../../src/errors.js'
import type { User } from '../../../../src/login/id-token.js'
import { instructionsResponse } from '../../../../src/schemas/device.js'
import { BODY_REFUSALS, refusals } from '../../../../src/schemas/refusals.js'
import { FOR_ANYONE } from '../../../../src/schemas/security.js'

/** Browsers send no body, and it is ignored. In bytes. */
const BODY_LIMIT = 4096

const Register = {
  operationId: 'registerDevice',
  summary: 'Binds a new session to the device of its browser',
  description: 'Browsers ask this by themselves after a sign-in (Device Bound Session Credentials). The proof, in ' +
    '`Secure-Session-Response`, names the session by a one-time ticket: cookies are not read.',
  tags: ['session'],
  security: FOR_ANYONE,
  response: {
    200: instructionsResponse,
    ...refusals(ERR_DEVICE_PROOF, ERR_DATABASE, ...BODY_REFUSALS)
  }
} as const

/**
 * `POST /api/auth/device/register`: binds a session to the device that made the proof, once, within 30 s of its
 * sign-in. A refusal leaves the session as it is.
 *
 * @throws {ERR_DEVICE_PROOF} 400
 * @throws {ERR_DATABASE} 503
 */
const register: FastifyPluginAsyncTypebox = async (fastify) => {
  const { deviceBound } = fastify
  if (deviceBound === null) return

  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, _body, done) => {
    done(null)
  })

  fastify.post('/device/register', { schema: Register }, async (request, reply) => {
    const proof = single(request.headers[PROOF_HEADER])
    const registered = proof === undefined ? undefined : await deviceBound.sessions.register(proof)
    if (registered === undefined) {
      deviceBound.tell('refused', request)
      throw new ERR_DEVICE_PROOF()
    }
    const { instructions, cookie, challenge, sessionId, session } = registered
    deviceBound.tell('registered', request, { id: sessionId, sub: (session.user as User | undefined)?.sub })
    return reply
      .setCookie(cookie.name, cookie.value, exactly(cookie.attributes))
      .header(CHALLENGE_HEADER, challenge)
      .send(instructions)
  })
}

export default fp(register, { name: 'route:device-register', encapsulate: true, dependencies: ['device-bound'] })
