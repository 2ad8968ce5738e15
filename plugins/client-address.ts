import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { withoutPorts } from '../src/client-port.js'
import { trustedProxies } from '../src/trusted-proxies.js'

/**
 * Cuts ports out of `X-Forwarded-For` before Fastify takes `request.ip` from it, so that the rate limit and the log
 * see addresses. Without `TRUST_PROXY` the header is not looked at, except to say once that it had no effect.
 */
export default fp(async (fastify) => {
  // An application trusts its proxies itself.
  if (fastify.hasPlugin('cashsouk-auth:standalone')) tellOfUntrusted(fastify)
  if (fastify.config.TRUST_PROXY.length === 0) return
  fastify.addHook('onRequest', ({ headers }, _reply, done) => {
    const forwardedFor = headers['x-forwarded-for']
    if (typeof forwardedFor === 'string') headers['x-forwarded-for'] = withoutPorts(forwardedFor)
    done()
  })
}, { name: 'client-address', fastify: '5.x', dependencies: ['config'] })

/** Behind a proxy that is not trusted, all visitors share one rate limit, and the log has the proxy's address. */
function tellOfUntrusted (fastify: FastifyInstance): void {
  const { config, log } = fastify
  const isTrusted = trustedProxies(config.TRUST_PROXY)
  let isTold = false
  fastify.addHook('onRequest', ({ headers, socket: { remoteAddress: address } }, _reply, done) => {
    const isForwarded = headers['x-forwarded-for'] !== undefined || headers['x-forwarded-proto'] !== undefined ||
      headers['x-forwarded-host'] !== undefined
    if (isForwarded && !isTold && !isTrusted(address)) {
      isTold = true
      log.warn({ address }, 'X-Forwarded-* is ignored: if this address is your proxy, set TRUST_PROXY to it')
    }
    done()
  })
}
