import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { unauthenticated } from '../src/end-reason.js'
import { ERR_DATABASE, ERR_RECENT_SIGN_IN, ERR_ROLE_NOT_GRANTED, ERR_VERIFY_QUERY } from '../src/errors.js'
import { logSeldom, once } from '../src/log-seldom.js'
import { isRecent } from '../src/login/step-up.js'
import { trustedProxies } from '../src/trusted-proxies.js'
import { announcesBody } from '../src/unread-body.js'
import { ASSERTION_HEADER, noIdentity, SESSION_HEADER } from '../src/verify/headers.js'
import { DemandProblem, type Demand } from '../src/verify/query.js'
import { foreignOriginIn, signInUrl } from '../src/verify/sign-in-url.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Decides whether a proxy may hand on its visitor's request, by the session cookie and the proxy's `demand` alone.
     * The reply gets the headers of `src/verify/headers.ts`, in a refusal each of them empty.
     *
     * Meant for `onRequest`: a body stays unread, and the connection is closed after it.
     *
     * @throws {ERR_VERIFY_QUERY} 403: never 400, which nginx makes a 500
     * @throws {ERR_UNAUTHENTICATED} {ERR_RECENT_SIGN_IN} 401, with the sign-in's URL in `Location` and `X-Auth-Login`
     * @throws {ERR_ROLE_NOT_GRANTED} 403
     * @throws {ERR_DATABASE} 503, with `Retry-After`
     */
    verify (request: FastifyRequest, reply: FastifyReply, demand: Demand | DemandProblem): Promise<void>
    /** The headers of a proxy that `TRUST_PROXY` names; undefined for any other client. */
    trustedHeaders (request: FastifyRequest): FastifyRequest['headers'] | undefined
  }
}

/** After how many seconds a proxy, or its visitor, asks again while the database is unavailable. */
const RETRY_AFTER_S = 5

type Found = Awaited<ReturnType<FastifyInstance['sessionViewer']['find']>>
type SeenSession = Extract<Found, { id: string }>

/** Decorates with `verify` and `trustedHeaders`. */
export default fp(async (fastify) => {
  const { config, log, sessionViewer } = fastify
  const empty = noIdentity(config.VERIFY_HEADERS)
  const isTrusted = trustedProxies(config.TRUST_PROXY)
  const warnOfQuery = logSeldom((reason) => {
    log.warn({ reason }, 'verify refused a request: the query in the configuration of the proxy is wrong')
  })
  const warnOfIdleCookie = once(() => {
    log.warn('verify is in use with COOKIE_LIFETIME=idle: behind most proxies the cookie ends before its session')
  })

  const warnOfForeignOrigin = once((origin: string) => {
    log.warn({ origin }, 'verify: sign-ins do not come back to this address, which is not in RETURN_ORIGINS')
  })

  fastify.decorate('trustedHeaders', ({ headers, socket }) => isTrusted(socket.remoteAddress) ? headers : undefined)

  fastify.decorate('verify', async (request, reply, demand) => {
    try {
      if (announcesBody(request.headers)) void reply.header('connection', 'close')
      if (demand instanceof DemandProblem) {
        warnOfQuery(demand.reason)
        throw new ERR_VERIFY_QUERY()
      }
      const session = admitted(await sessionViewer.find(request), request, reply, demand)
      if (demand.slide) await slide(session, request, reply)
      const { publicId, view: { headers, asserted: user }, expiresAt, databaseNow } = session
      const made = fastify.assertions.of({ publicId, user, expiresAt, databaseNow }, demand.audience)
      const assertion = typeof made === 'string' ? made : await made
      void reply.headers(headers).header(SESSION_HEADER, publicId).header(ASSERTION_HEADER, assertion)
    } catch (error) {
      if (error instanceof ERR_DATABASE) void reply.header('retry-after', String(RETRY_AFTER_S))
      void reply.headers(empty)
      throw error
    }
  })

  /** The session, if it is one that `demand` lets in. */
  function admitted (seen: Found, request: FastifyRequest, reply: FastifyReply, demand: Demand): SeenSession {
    if ('reason' in seen) {
      sendToSignIn(request, reply, demand)
      throw unauthenticated(seen.reason)
    }
    const { view } = seen
    const { roles, maxAge } = demand
    if (roles !== undefined && !roles.some((role) => view.roles.includes(role))) {
      throw new ERR_ROLE_NOT_GRANTED(roles.join(', '))
    }
    if (maxAge !== undefined && !isRecent(view.authTime, maxAge, seen.databaseNow)) {
      sendToSignIn(request, reply, demand)
      void reply.header('www-authenticate', `Bearer error="insufficient_user_authentication", max_age=${maxAge}`)
      throw new ERR_RECENT_SIGN_IN(String(maxAge))
    }
    if (config.COOKIE_LIFETIME === 'idle') warnOfIdleCookie()
    return seen
  }

  async function slide (session: SeenSession, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const cookie = await sessionViewer.use(session, request.headers['sec-fetch-site'] !== undefined)
    if (cookie !== undefined) void reply.header('set-cookie', cookie)
  }

  /** `Location` is the header that nginx's `error_page` hands on by itself. */
  function sendToSignIn (request: FastifyRequest, reply: FastifyReply, demand: Demand): void {
    const headers = fastify.trustedHeaders(request)
    const foreign = foreignOriginIn(headers, config)
    if (foreign !== undefined) warnOfForeignOrigin(foreign)
    const url = signInUrl(demand, headers, config)
    void reply.headers({ 'location': url, 'x-auth-login': url })
  }
}, { name: 'verifier', fastify: '5.x', dependencies: ['assertions', 'config', 'errors', 'session-viewer'] })
