import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Session } from 'fastify'
import fp from 'fastify-plugin'
import {
  ERR_DATABASE, ERR_NAVIGATION_REQUIRED, ERR_OVERLOADED, ERR_PREFETCH, ERR_RATE_LIMIT, ERR_RETURN_TO,
  ERR_ROLE_UNKNOWN, ERR_VALIDATION
} from '../../../src/errors.js'
import { CANONICAL, canonicalLogin } from '../../../src/login/canonical-login.js'
import { asLogin, HINT_PATTERN, MAX_HINT_LENGTH, MAX_MAX_AGE_S, validParts } from '../../../src/login/login-request.js'
import { withoutEmpty } from '../../../src/login/parameters.js'
import { loginUrl, type LoginRecovery } from '../../../src/login/recovery.js'
import type { LoginRequest } from '../../../src/login/transaction.js'
import { notAllowed } from '../../../src/origin.js'
import { isPrefetch, isSubresource } from '../../../src/prefetch.js'
import { LOGIN_COOKIE } from '../../../src/schemas/headers.js'
import { redirectResponse } from '../../../src/schemas/page.js'
import { pageRefusals } from '../../../src/schemas/refusals.js'
import { BY_ANYONE } from '../../../src/schemas/security.js'
import { parseUrl } from '../../../src/url.js'

const hint = (meaning: string) => ({
  type: 'string',
  minLength: 1,
  maxLength: MAX_HINT_LENGTH,
  pattern: HINT_PATTERN,
  description: `Passed to Cognito: ${meaning}.`
}) as const

/**
 * `retry` is 1 for an automatic retry. `screen_hint` may be `signup`. The last five are Cognito's own and passed
 * through; any other parameter is dropped, so that none can replace ours. The lengths bound the work.
 */
const Login = {
  type: 'object',
  additionalProperties: false,
  properties: {
    role: { type: 'string', maxLength: 64, description: 'One of `ROLES`. Default: the first of them.' },
    returnTo: {
      type: 'string',
      maxLength: 2048,
      description: 'Where the login ends: a path on `PUBLIC_URL`, or a URL on one of `RETURN_ORIGINS`. Default: ' +
        '`HOME_URL`, or `/`.'
    },
    retry: { type: 'string', maxLength: 8, description: '`1`: an error page has started this login.' },
    [CANONICAL]: {
      type: 'string', maxLength: 8, description: '`1`: this login has been sent to the host of `PUBLIC_URL`.'
    },
    screen_hint: { type: 'string', maxLength: 16, description: '`signup`: Cognito shows its sign-up page.' },
    identity_provider: hint('the identity provider to sign in with'),
    login_hint: hint('the user name to start with'),
    lang: hint('the language of its pages'),
    prompt: hint('`login` to authenticate again, `none` to ask nothing'),
    max_age: {
      type: 'integer',
      minimum: 0,
      maximum: MAX_MAX_AGE_S,
      description: 'In seconds: the user authenticates again unless the last time is no longer ago.'
    }
  }
} as const

const StartLogin = {
  operationId: 'startLogin',
  summary: 'Starts a sign-in',
  description: 'Browsers navigate here. Scripts cannot follow the redirect, so they are refused. There is no HEAD ' +
    'and no prefetching.',
  tags: ['sign-in'],
  security: BY_ANYONE,
  querystring: Login,
  response: {
    302: redirectResponse('To Cognito, or to this login on the host of `PUBLIC_URL`.', LOGIN_COOKIE),
    ...pageRefusals(
      ERR_VALIDATION, ERR_ROLE_UNKNOWN, ERR_RETURN_TO, ERR_PREFETCH, ERR_NAVIGATION_REQUIRED, ERR_RATE_LIMIT,
      ERR_DATABASE, ERR_OVERLOADED
    )
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
 * @throws {ERR_VALIDATION} 400
 * @throws {ERR_ROLE_UNKNOWN} 400
 * @throws {ERR_RETURN_TO} 400
 * @throws {ERR_RATE_LIMIT} 429
 * @throws {ERR_DATABASE} {ERR_OVERLOADED} 503
 */
const login: FastifyPluginAsyncTypebox = async (fastify) => {
  const { audit, config, config: { ROLES, LOGIN_RATE_LIMIT } } = fastify

  fastify.get('/login', {
    schema: StartLogin,
    exposeHeadRoute: false,
    config: {
      page: true,
      needsNoGuest: true,
      loginLimit: LOGIN_RATE_LIMIT,
      ...(audit === undefined ? {} : { refused: audit.refused }),
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
    const { session }: { session: Session | null } = request
    const { user, role: presentRole = '' } = session ?? {}
    const { role, returnTo, retry, max_age: maxAge } = request.query
    const parts = validParts(request.query, config)
    const login = withRole(role, parts, maxAge === undefined ? undefined : presentRole)
    if (login === undefined) throw new ERR_ROLE_UNKNOWN(ROLES.join(', '))
    if (returnTo !== undefined && parts.returnTo === undefined) throw foreignAddress(returnTo)

    const transaction = await fastify.logins.begin(request, reply, login, {
      isRetry: retry === '1',
      ...(maxAge === undefined || user === undefined ? {} : { stepUpOf: user.sub })
    })
    return reply.redirect(fastify.cognito.authorizationUrl(transaction))
  })

  /** Unless the query names a role: the user's present one for a step-up, or the first of `ROLES`. */
  function withRole (role: unknown, parts: Partial<LoginRequest>, presentRole = ''): LoginRequest | undefined {
    const requestedRole = ROLES.includes(presentRole) ? presentRole : ROLES[0] ?? ''
    return asLogin(role === undefined ? { ...parts, requestedRole } : parts)
  }

  /** The query may not have been validated yet. */
  function recoveryOf (query: Record<string, unknown>): LoginRecovery {
    const asked = withoutEmpty(query)
    const parts = validParts(asked, config)
    const login = withRole(asked.role, parts)
    return {
      retryUrl: loginUrl(parts, { prefix: config.prefix }),
      returnTo: parts.returnTo,
      ...(login === undefined ? {} : { login })
    }
  }
}

/** A refusal whose cause, for the log, names the origin: the rest of the address is the portal's. */
function foreignAddress (returnTo: string): Error {
  const origin = parseUrl(returnTo)?.origin ?? 'null'
  return origin === 'null' ? new ERR_RETURN_TO() : new ERR_RETURN_TO({ cause: new Error(notAllowed(origin)) })
}

export default fp(login, {
  name: 'route:login',
  encapsulate: true,
  dependencies: ['audit', 'config', 'logins', 'cognito', 'session', 'rate-limit']
})
