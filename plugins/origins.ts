import cors, { type FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance, FastifyRequest, RouteHandlerMethod, RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import { hasCookie } from '../src/cookie-header.js'
import { isCredential } from '../src/cookies.js'
import { foreignOrigin, requestOrigin } from '../src/origin.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The portals in `RETURN_ORIGINS` whose pages get no session, because they are on another site. */
    otherSites: readonly string[]
    /** Whether a page that may not do so made the browser send an unsafe request. */
    isFromForeignPage (request: FastifyRequest): boolean
  }
}

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']
/** How long a browser may cache the response to a preflight. */
const PREFLIGHT_S = 600

/**
 * Decides which pages may call these routes: those of `PUBLIC_URL` and of `RETURN_ORIGINS`. The latter may also
 * read the responses (CORS, with cookies). Unsafe requests from anywhere else are refused.
 *
 * Current browsers send `Origin` or `Sec-Fetch-Site` with every unsafe request. A request with neither is accepted
 * only without a cookie of ours, because then another page has nothing to exploit.
 *
 * CORS of an application that has registered @fastify/cors before is left to it.
 *
 * @throws {ERR_FOREIGN_ORIGIN}
 */
export default fp(async (fastify) => {
  const { config } = fastify
  const { PUBLIC_URL, RETURN_ORIGINS } = config
  const allowed = [PUBLIC_URL, ...RETURN_ORIGINS]

  const elsewhere = RETURN_ORIGINS.length === 0 ? [] : await findOtherSites(PUBLIC_URL, RETURN_ORIGINS)
  fastify.decorate('otherSites', elsewhere)
  if (elsewhere.length > 0) {
    fastify.log.warn({ origins: elsewhere }, 'Portals on another site than PUBLIC_URL get no session: me is always 401')
  }

  if (RETURN_ORIGINS.length > 0 && !fastify.hasRequestDecorator('corsPreflightEnabled')) {
    await addCors(fastify, config.prefix, {
      // A function: with a list, @fastify/cors sends the other CORS headers to any origin.
      origin: (origin, callback) => {
        callback(null, origin !== undefined && RETURN_ORIGINS.includes(origin) ? origin : false)
      },
      credentials: true,
      methods: ['GET', 'POST', 'DELETE'],
      // The challenge of requireRecentSignIn.
      exposedHeaders: ['WWW-Authenticate'],
      maxAge: PREFLIGHT_S
    })
  }
  fastify.decorate('isFromForeignPage', ({ method, headers }) => !SAFE_METHODS.includes(method) && !isAllowed(headers))
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (fastify.isFromForeignPage(request)) done(foreignOrigin(request.headers))
    else done()
  })

  const isAllowed = (headers: FastifyRequest['headers']): boolean => {
    const origin = requestOrigin(headers, allowed)
    if (origin !== 'unknown') return origin === 'same-site'
    return !hasCookie(headers.cookie ?? '', (name) => isCredential(name, config))
  }
}, { name: 'origins', fastify: '5.x', dependencies: ['config'] })

/** @fastify/cors, which answers preflights to every path of the application, for the paths below `prefix` alone. */
async function addCors (fastify: FastifyInstance, prefix: string, corsOptions: FastifyCorsOptions): Promise<void> {
  const below = Object.create(fastify, {
    options: {
      value: (_url: string, options: RouteShorthandOptions, handler: RouteHandlerMethod) =>
        fastify.options(`${prefix}/*`, options, handler)
    }
  }) as FastifyInstance
  await new Promise<void>((resolve, reject) => {
    cors(below, corsOptions, (error) => {
      if (error === undefined) resolve()
      else reject(error)
    })
  })
}

/** Loaded only where it is needed, because the public suffix list is large. */
async function findOtherSites (publicUrl: string, origins: readonly string[]): Promise<string[]> {
  const { otherSites } = await import('../src/site.js')
  return otherSites(publicUrl, origins)
}
