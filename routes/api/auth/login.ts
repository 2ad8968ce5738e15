import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_NAVIGATION_REQUIRED, ERR_PREFETCH, ERR_RETURN_TO, ERR_ROLE_UNKNOWN } from '../../../src/errors.js'
import { CANONICAL, canonicalLogin } from '../../../src/login/canonical-login.js'
import { asLogin, MAX_HINT_LENGTH, MAX_MAX_AGE_S, validParts } from '../../../src/login/login-request.js'
import { withoutEmpty } from '../../../src/login/parameters.js'
import { loginUrl, type LoginRecovery } from '../../../src/login/recovery.js'
import type { LoginRequest } from '../../../src/login/transaction.js'
import { isPrefetch, isSubresource } from '../../../src/prefetch.js'

const Hint = { type: 'string', minLength: 1, maxLength: MAX_HINT_LENGTH } as const

/**
 * `retry` is 1 for an automatic retry. `screen_hint` may be `signup`. The last five are Cognito's own and passed
 * through; any other parameter is dropped, so that none can replace ours. The lengths bound the work.
 */
const Login = {
  type: 'object',
  additionalProperties: false,
  properties: {
    role: { type: 'string', maxLength: 64 },
    returnTo: { type: 'string', maxLength: 2048 },
    retry: { type: 'string', maxLength: 8 },
    [CANONICAL]: { type: 'string', maxLength: 8 },
    screen_hint: { type: 'string', maxLength: 16 },
    identity_provider: Hint,
    login_hint: Hint,
    lang: Hint,
    prompt: Hint,
    max_age: { type: 'integer', minimum: 0, maximum: MAX_MAX_AGE_S }
  }
} as const

/**
 * `GET /api/auth/login`: starts a login and redirects to Cognito. There is no HEAD, and no prefetching, and
 * scripts cannot follow the redirect: each would cost a row. A login that arrives at another host than that of
 * `PUBLIC_URL` is sent there first, before it counts for the rate limit.
 *
 * With `max_age`, a user who is signed in here keeps the role and the session's data (step-up). Any other user is
 * refused.
 *
 * @throws {ERR_PREFETCH} 403
 * @throws {ERR_NAVIGATION_REQUIRED} 403
 * @throws {ERR_ROLE_UNKNOWN} 400
 * @throws {ERR_RETURN_TO} 400
 * @throws {ERR_RATE_LIMIT} 429
 * @throws {ERR_DATABASE} 503
 */
const login: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, config: { ROLES, LOGIN_RATE_LIMIT } } = fastify

  fastify.get('/login', {
    schema: { querystring: Login },
    exposeHeadRoute: false,
    config: {
      page: true,
      loginLimit: LOGIN_RATE_LIMIT,
      recovery: ({ query }) => recoveryOf(query as Record<string, unknown>)
    },
    onRequest: async (request, reply) => {
      if (isPrefetch(request.headers)) throw new ERR_PREFETCH()
      if (isSubresource(request.headers)) throw new ERR_NAVIGATION_REQUIRED()
      const elsewhere = canonicalLogin(request, config)
      if (elsewhere !== undefined) return reply.redirect(elsewhere)
    },
    preValidation: async (request) => { request.query = withoutEmpty(request.query) }
  }, async (request, reply) => {
    const { user, role: presentRole = '' } = request.session
    const { role, returnTo, retry, max_age: maxAge, screen_hint: screen } = request.query
    const parts = validParts(request.query, config)
    const login = withRole(role, parts, maxAge === undefined ? undefined : presentRole)
    if (login === undefined) throw new ERR_ROLE_UNKNOWN(ROLES.join(', '))
    if (returnTo !== undefined && parts.returnTo === undefined) throw new ERR_RETURN_TO()

    const transaction = await fastify.logins.begin(request, reply, login, {
      isRetry: retry === '1',
      ...(maxAge === undefined || user === undefined ? {} : { stepUpOf: user.sub })
    })
    return reply.redirect(fastify.cognito.authorizationUrl(transaction, { signUp: screen === 'signup' }))
  })

  /** Unless the query names a role: the user's present one for a step-up, or the first of `ROLES`. */
  function withRole (role: unknown, parts: Partial<LoginRequest>, presentRole = ''): LoginRequest | undefined {
    const requestedRole = ROLES.includes(presentRole) ? presentRole : ROLES[0] ?? ''
    return asLogin(role === undefined ? { ...parts, requestedRole } : parts)
  }

  /** The query may not have been validated yet. */
  function recoveryOf (query: Record<string, unknown>): LoginRecovery {
    const parts = validParts(query, config)
    const login = withRole(query.role, parts)
    return { retryUrl: loginUrl(parts, { prefix: config.prefix }), ...(login === undefined ? {} : { login }) }
  }
}

export default fp(login, {
  name: 'route:login', encapsulate: true, dependencies: ['config', 'logins', 'cognito', 'session', 'rate-limit']
})
