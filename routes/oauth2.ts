import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { unauthenticated } from '../src/end-reason.js'
import { ERR_DATABASE, ERR_OVERLOADED, ERR_UNAUTHENTICATED } from '../src/errors.js'
import { signOutUrl } from '../src/login/paths.js'
import { loginUrl } from '../src/login/recovery.js'
import { isAt, safeReturnTo } from '../src/login/return-to.js'
import { NO_STORE } from '../src/schemas/headers.js'
import { redirectResponse } from '../src/schemas/page.js'
import { refusals } from '../src/schemas/refusals.js'
import { BY_SESSION } from '../src/schemas/security.js'
import { verifyResponses } from '../src/schemas/verify.js'
import { oauth2Demand } from '../src/verify/query.js'

/** For the documentation. A malformed parameter is never a 400. */
const Auth = {
  type: 'object',
  properties: {
    allowed_groups: { type: 'string', description: 'Comma-separated roles, of which the user must have one.' }
  }
} as const
const Redirect = {
  type: 'object',
  properties: { rd: { type: 'string', description: 'Where to go afterwards.' } }
} as const
const UserInfo = {
  type: 'object',
  description: 'Who is signed in.',
  properties: {
    user: { type: 'string' },
    email: { type: 'string' },
    groups: { type: 'array', items: { type: 'string' } },
    preferredUsername: { type: 'string' }
  },
  headers: { 'cache-control': NO_STORE },
  examples: [{
    user: '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f',
    email: 'carol@example.com',
    groups: ['INVESTOR', 'ISSUER', 'ADMIN'],
    preferredUsername: 'carol'
  }]
} as const
/** The names of the operations, by their paths. */
const STARTS = { '/start': 'startOauth2', '/sign_in': 'signInOauth2' }

/**
 * The routes of oauth2-proxy that a proxy in front of an application uses, with `VERIFY_HEADERS=oauth2-proxy`.
 * `docs/verify.md` says where they differ.
 *
 * @throws {ERR_VERIFY_QUERY} {ERR_ROLE_NOT_GRANTED} 403
 * @throws {ERR_UNAUTHENTICATED} {ERR_RECENT_SIGN_IN} 401
 * @throws {ERR_DATABASE} {ERR_OVERLOADED} 503
 * @see {@link https://oauth2-proxy.github.io/oauth2-proxy/features/endpoints/}
 */
const oauth2: FastifyPluginAsync = async (fastify) => {
  const { config, config: { PUBLIC_URL, RETURN_ORIGINS, LOGOUT_URLS, prefix } } = fastify
  if (config.VERIFY_HEADERS !== 'oauth2-proxy') return
  const starts = Object.keys(STARTS).map((path) => fastify.prefix + path)
  const unchecked = { validatorCompiler: () => () => true }

  const decide = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    await fastify.verify(request, reply, oauth2Demand(request.query as Record<string, unknown>, config.ROLES))
    return reply.code(202).send()
  }

  fastify.all('/auth', {
    schema: {
      operationId: 'verifyOauth2',
      summary: 'As GET /api/auth/verify, for a proxy that is set up for oauth2-proxy',
      description: 'This and the other routes of oauth2-proxy exist with `VERIFY_HEADERS=oauth2-proxy`.',
      tags: ['proxy'],
      security: BY_SESSION,
      querystring: Auth,
      response: verifyResponses(202, config.VERIFY_HEADERS)
    },
    ...unchecked,
    config: { isProbe: true },
    onRequest: decide
  }, decide)

  for (const [path, operationId] of Object.entries(STARTS)) {
    fastify.get(path, {
      schema: {
        operationId,
        summary: 'Starts a sign-in',
        tags: ['proxy'],
        querystring: Redirect,
        response: { 302: redirectResponse('To `GET /api/auth/login`.', null), ...refusals(ERR_OVERLOADED) }
      },
      ...unchecked
    }, async (request, reply) => {
      const wanted = rdOf(request) ?? String(fastify.trustedHeaders(request)?.['x-auth-request-redirect'] ?? '')
      const address = safeReturnTo(wanted, PUBLIC_URL, RETURN_ORIGINS, prefix)
      const returnTo = address === undefined || isStart(address) ? undefined : address
      return reply.redirect(PUBLIC_URL + loginUrl(returnTo === undefined ? {} : { returnTo }, { prefix }))
    })
  }

  /** Returning here would be a redirect loop. */
  function isStart (address: string): boolean {
    const url = new URL(address, PUBLIC_URL)
    return url.origin === PUBLIC_URL && isAt(url, starts)
  }

  /** A page of another site can make a browser send a GET, so this only leads to the button that signs out. */
  fastify.get('/sign_out', {
    schema: {
      operationId: 'signOutOauth2',
      summary: 'Leads to the page whose button signs out',
      tags: ['proxy'],
      querystring: Redirect,
      response: { 302: redirectResponse('To `GET /api/auth/logout`.', null), ...refusals(ERR_OVERLOADED) }
    },
    ...unchecked
  }, async (request, reply) => {
    const returnTo = LOGOUT_URLS.find((url) => url === rdOf(request))
    return reply.redirect(PUBLIC_URL + signOutUrl(returnTo, prefix))
  })

  fastify.get('/userinfo', {
    schema: {
      operationId: 'getUserInfo',
      summary: 'Who is signed in',
      tags: ['proxy'],
      security: BY_SESSION,
      response: { 200: UserInfo, ...refusals(ERR_UNAUTHENTICATED, ERR_DATABASE, ERR_OVERLOADED) }
    }
  }, async (request, reply) => {
    const seen = await fastify.sessionViewer.find(request).catch((error: unknown) => {
      if (error instanceof ERR_DATABASE) void reply.header('retry-after', '5')
      throw error
    })
    if ('reason' in seen) throw unauthenticated(seen.reason)
    const { view: { user: { sub, email, username }, roles } } = seen
    return {
      user: sub,
      email: typeof email === 'string' ? email : '',
      ...(roles.length === 0 ? {} : { groups: roles }),
      ...(typeof username === 'string' ? { preferredUsername: username } : {})
    }
  })
}

/** The parameter `rd`, if it is given once. */
function rdOf ({ query }: FastifyRequest): string | undefined {
  const { rd } = query as { rd?: unknown }
  return typeof rd === 'string' && rd !== '' ? rd : undefined
}

export default fp(oauth2, {
  name: 'route:oauth2', encapsulate: true, dependencies: ['config', 'session-viewer', 'verifier']
})
