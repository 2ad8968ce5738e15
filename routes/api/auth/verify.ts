import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { unauthenticated } from '../../../src/end-reason.js'
import { ERR_DATABASE, ERR_RECENT_SIGN_IN, ERR_ROLE_NOT_GRANTED, ERR_VERIFY_QUERY } from '../../../src/errors.js'
import { logSeldom } from '../../../src/log-seldom.js'
import { isRecent } from '../../../src/login/step-up.js'
import { trustedProxies } from '../../../src/trusted-proxies.js'
import { noIdentity, SESSION_HEADER } from '../../../src/verify/headers.js'
import { DemandProblem, demandOf, type Demand } from '../../../src/verify/query.js'
import { signInUrl } from '../../../src/verify/sign-in-url.js'

/** After how many seconds a proxy, or its visitor, asks again while the database is unavailable. */
const RETRY_AFTER_S = 5

/** For the documentation. `demandOf` checks the query, because a 400 would be a 500 behind nginx. */
const Verify = {
  type: 'object',
  properties: {
    role: { type: 'string', description: 'One of ROLES, which the user must have.' },
    max_age: { type: 'integer', description: 'How many seconds ago the user may have signed in.' },
    slide: { type: 'string', enum: ['true', 'false'], description: 'Whether the request counts as use.' }
  }
} as const

/**
 * `GET /api/auth/verify`: whether a proxy may hand on its visitor's request (nginx `auth_request`, Caddy
 * `forward_auth`, Traefik ForwardAuth, Envoy `ext_authz`). Answers any method, and decides by the session cookie and
 * the query alone.
 *
 * A success is empty, with the headers of `src/verify/headers.ts`. Every refusal has them too, each empty. Only
 * `slide=true` counts as use of the session.
 *
 * @throws {ERR_VERIFY_QUERY} 403: never 400, which nginx makes a 500
 * @throws {ERR_UNAUTHENTICATED} {ERR_RECENT_SIGN_IN} 401, with the sign-in's URL in `Location` and `X-Auth-Login`
 * @throws {ERR_ROLE_NOT_GRANTED} 403
 * @throws {ERR_DATABASE} 503, with `Retry-After`
 */
const verify: FastifyPluginAsync = async (fastify) => {
  const { config, log, sessionViewer } = fastify
  const nobody = noIdentity()
  const isTrusted = trustedProxies(config.TRUST_PROXY)
  const warn = logSeldom((reason) => {
    log.warn({ reason }, 'verify refuses every request: its query in the proxy\'s configuration is wrong')
  })

  // A body stays unread.
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', (_request, _payload, done) => { done(null) })

  fastify.all('/verify', {
    schema: {
      summary: 'Whether a proxy may hand on a request',
      description: 'Empty. The headers x-auth-* say who is signed in. Every answer has all of them.',
      querystring: Verify,
      response: { 200: { type: 'null', description: 'The visitor is signed in, as the query asks.' } }
    },
    validatorCompiler: () => () => true
  }, async (request, reply) => {
    void reply.headers(nobody)
    const demand = demandOf(request.query as Record<string, unknown>, config.ROLES)
    if (demand instanceof DemandProblem) {
      warn(demand.reason)
      throw new ERR_VERIFY_QUERY()
    }
    const seen = await sessionViewer.find(request.headers.cookie).catch((error: unknown) => {
      if (error instanceof ERR_DATABASE) void reply.header('retry-after', String(RETRY_AFTER_S))
      throw error
    })
    if ('reason' in seen) {
      sendToSignIn(request, reply, demand)
      throw unauthenticated(seen.reason)
    }
    const { view } = seen
    const { role, maxAge } = demand
    if (role !== undefined && !view.roles.includes(role)) throw new ERR_ROLE_NOT_GRANTED(role)
    if (maxAge !== undefined && !isRecent(view.authTime, maxAge, seen.databaseNow)) {
      sendToSignIn(request, reply, demand)
      void reply.header('www-authenticate', `Bearer error="insufficient_user_authentication", max_age=${maxAge}`)
      throw new ERR_RECENT_SIGN_IN(String(maxAge))
    }
    if (demand.slide) {
      const cookie = await sessionViewer.use(seen, request.headers['sec-fetch-site'] !== undefined)
      if (cookie !== undefined) void reply.header('set-cookie', cookie)
    }
    return reply.headers(view.headers).header(SESSION_HEADER, seen.publicId).send()
  })

  /** `Location` is for nginx's `error_page`, which can read one header of that name only. */
  function sendToSignIn ({ headers, socket }: FastifyRequest, reply: FastifyReply, demand: Demand): void {
    const url = signInUrl(demand, isTrusted(socket.remoteAddress) ? headers : undefined, config)
    void reply.headers({ 'location': url, 'x-auth-login': url })
  }
}

export default fp(verify, {
  name: 'route:verify', encapsulate: true, dependencies: ['config', 'errors', 'session-viewer']
})
