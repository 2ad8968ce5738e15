import type { FastifyPluginAsync, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { BY_SESSION } from '../../../src/schemas/security.js'
import { verifyResponses } from '../../../src/schemas/verify.js'
import { demandOf } from '../../../src/verify/query.js'

/** For the documentation. `demandOf` reads the query: a 400 would be a 500 behind nginx. */
const Verify = {
  type: 'object',
  properties: {
    role: { type: 'string', description: 'One of ROLES, which the user must have.' },
    max_age: { type: 'integer', description: 'How many seconds ago the user may have signed in at most.' },
    slide: { type: 'string', enum: ['true', 'false'], description: 'Whether the request counts as use.' },
    audience: { type: 'string', description: 'The claim aud of x-auth-assertion. Default: PUBLIC_URL.' }
  }
} as const

/**
 * `GET /api/auth/verify`: whether a proxy may hand on its visitor's request (nginx `auth_request`, Caddy
 * `forward_auth`, Traefik ForwardAuth, Envoy `ext_authz`). Answers every method, because Envoy keeps the visitor's.
 * `docs/verify.md` has the answers.
 *
 * @throws {ERR_VERIFY_QUERY} {ERR_ROLE_NOT_GRANTED} 403
 * @throws {ERR_UNAUTHENTICATED} {ERR_RECENT_SIGN_IN} 401
 * @throws {ERR_DATABASE} {ERR_OVERLOADED} 503
 */
const verify: FastifyPluginAsync = async (fastify) => {
  const { config } = fastify

  const decide: onRequestHookHandler = (request, reply, done) => {
    const demand = demandOf(request.query as Record<string, unknown>, config.ROLES)
    fastify.verify(request, reply, demand).then(() => { void reply.send() }, done)
  }

  fastify.all('/verify', {
    schema: {
      operationId: 'verify',
      summary: 'Whether a proxy may hand on a request',
      description: 'The headers x-auth-* say who is signed in. Every answer has all of them. Answers every method.',
      tags: ['proxy'],
      security: BY_SESSION,
      querystring: Verify,
      response: verifyResponses(200, config.VERIFY_HEADERS)
    },
    validatorCompiler: () => () => true,
    config: { isProbe: true },
    // Before the body is parsed: a malformed Content-Type is a 415 then.
    onRequest: decide
  }, () => { throw new Error('The hook has answered') })
}

export default fp(verify, { name: 'route:verify', encapsulate: true, dependencies: ['config', 'verifier'] })
