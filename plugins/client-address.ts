import fp from 'fastify-plugin'
import { withoutPorts } from '../src/client-port.js'

/**
 * Cuts ports out of `X-Forwarded-For` before Fastify takes `request.ip` from it, so that the rate limit and the log
 * see addresses. Without `TRUST_PROXY` the header is not looked at.
 */
export default fp(async (fastify) => {
  if (fastify.config.TRUST_PROXY.length === 0) return
  fastify.addHook('onRequest', ({ headers }, _reply, done) => {
    const forwardedFor = headers['x-forwarded-for']
    if (typeof forwardedFor === 'string') headers['x-forwarded-for'] = withoutPorts(forwardedFor)
    done()
  })
}, { name: 'client-address', fastify: '5.x', dependencies: ['config'] })
