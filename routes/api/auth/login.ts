import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_NAVIGATION_REQUIRED, ERR_PREFETCH, ERR_RETURN_TO, ERR_ROLE_UNKNOWN } from '../../../src/errors.js'
import { withoutEmpty } from '../../../src/login/parameters.js'
import { safeReturnTo } from '../../../src/login/return-to.js'
import { isPrefetch, isSubresource } from '../../../src/prefetch.js'

const Hint = { type: 'string', minLength: 1, maxLength: 256 } as const

/**
 * `retry` is 1 for an automatic retry. `screen_hint` may be `signup`. The last four are Cognito's own and passed
 * through; any other parameter is dropped, so that none can replace ours. The lengths bound the work.
 */
const Login = {
  type: 'object',
  additionalProperties: false,
  properties: {
    role: { type: 'string', maxLength: 64 },
    returnTo: { type: 'string', maxLength: 2048 },
    retry: { type: 'string', maxLength: 8 },
    screen_hint: { type: 'string', maxLength: 16 },
    identity_provider: Hint,
    login_hint: Hint,
    lang: Hint,
    prompt: Hint
  }
} as const

/**
 * `GET /api/auth/login`: starts a login and redirects to Cognito. There is no HEAD, and no prefetching, and
 * scripts cannot follow the redirect: each would cost a row.
 *
 * @throws {ERR_PREFETCH} 403
 * @throws {ERR_NAVIGATION_REQUIRED} 403
 * @throws {ERR_ROLE_UNKNOWN} 400
 * @throws {ERR_RETURN_TO} 400
 * @throws {ERR_RATE_LIMIT} 429
 * @throws {ERR_DATABASE} 503
 */
const login: FastifyPluginAsyncTypebox = async (fastify) => {
  const { ROLES, PUBLIC_URL, RETURN_ORIGINS, LOGIN_RATE_LIMIT } = fastify.config

  fastify.get('/login', {
    schema: { querystring: Login },
    exposeHeadRoute: false,
    config: { page: true, rateLimit: { max: LOGIN_RATE_LIMIT, timeWindow: 60_000 } },
    onRequest: async ({ headers }) => {
      if (isPrefetch(headers)) throw new ERR_PREFETCH()
      if (isSubresource(headers)) throw new ERR_NAVIGATION_REQUIRED()
    },
    preValidation: async (request) => { request.query = withoutEmpty(request.query) }
  }, async (request, reply) => {
    const { role = ROLES[0] ?? '', returnTo: wanted = '/', retry, screen_hint: screen, ...hints } = request.query
    if (!ROLES.includes(role)) throw new ERR_ROLE_UNKNOWN(ROLES.join(', '))
    const returnTo = safeReturnTo(wanted, PUBLIC_URL, RETURN_ORIGINS)
    if (returnTo === undefined) throw new ERR_RETURN_TO()

    const asked = { requestedRole: role, returnTo }
    const transaction = await fastify.logins.begin(request, reply, asked, { isRetry: retry === '1' })
    return reply.redirect(fastify.cognito.authorizationUrl(transaction, hints, { signUp: screen === 'signup' }))
  })
}

export default fp(login, {
  name: 'route:login', encapsulate: true, dependencies: ['config', 'logins', 'cognito', 'rate-limit']
})
