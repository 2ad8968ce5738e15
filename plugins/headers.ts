import { IncomingMessage, ServerResponse, type OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import fp from 'fastify-plugin'
import helmet, { type HelmetOptions } from 'helmet'
import { styleHash } from '../src/pages.js'
import { bareHeaders } from '../src/unheard.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The headers of answers that no hook reaches. */
    bareHeaders: Record<string, string>
  }
}

/**
 * Sets the headers that tell a browser what these responses may not do, and keeps all of them out of
 * every cache: each is about one person at one moment.
 *
 * `form-action` names Cognito and the page after sign-out, because Chromium applies it to redirects too.
 */
export default fp(async (fastify) => {
  const { COGNITO_DOMAIN, LOGOUT_URL, PUBLIC_URL } = fastify.config
  const https = PUBLIC_URL.startsWith('https:')
  fastify.decorate('bareHeaders', bareHeaders(https))
  const security = securityHeaders({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ['\'none\''],
        styleSrc: [`'${styleHash}'`],
        formAction: ['\'self\'', COGNITO_DOMAIN, new URL(LOGOUT_URL).origin],
        frameAncestors: ['\'none\''],
        baseUri: ['\'none\'']
      }
    },
    strictTransportSecurity: https,
    xFrameOptions: { action: 'deny' },
    crossOriginResourcePolicy: { policy: 'same-site' },
    referrerPolicy: { policy: 'no-referrer' }
  })
  const headers = { ...security, 'cache-control': 'no-store' }
  fastify.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers)
    done()
  })
}, { name: 'headers', fastify: '5.x', dependencies: ['config'] })

/**
 * What helmet sets, found out once: it is the same for every response. @fastify/helmet builds it anew for each,
 * which was a sixth of `GET /api/auth/me`.
 */
function securityHeaders (options: HelmetOptions): OutgoingHttpHeaders {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  helmet(options)(request, response, (error) => { if (error !== undefined) throw error as Error })
  return response.getHeaders()
}
