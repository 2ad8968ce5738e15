import fp from 'fastify-plugin'
import { defaultSecurityHeaders, securityHeaders } from '../src/security-headers.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The security headers of responses that reach no hook. */
    defaultSecurityHeaders: Record<string, string>
  }
}

/**
 * Sets the security headers of every response, and keeps all of them out of caches: each is about one user at
 * one moment. Built once, because @fastify/helmet's headers per response took a sixth of `GET /api/auth/me`.
 */
export default fp(async (fastify) => {
  const headers = securityHeaders(fastify.config)
  const fewer = defaultSecurityHeaders(fastify.config)
  fastify.decorate('defaultSecurityHeaders', fewer)
  fastify.addHook('onRequest', ({ routeOptions: { config } }, reply, done) => {
    // What a proxy asks for is no page, and nginx keeps the headers of an answer in 4 KB.
    reply.headers(config.isProbe === true ? fewer : headers)
    done()
  })
}, { name: 'headers', fastify: '5.x', dependencies: ['config'] })
