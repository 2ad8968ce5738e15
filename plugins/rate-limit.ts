import rateLimit from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import { ERR_RATE_LIMIT } from '../src/errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * How many requests one client address may send to this route in a minute. A key of its own: a rate limit that the
     * application has registered acts on `rateLimit`.
     */
    loginLimit?: number
  }
}

/** How many client addresses are counted at once. */
const MAX_COUNTERS = 10_000

/**
 * Enforces `config.loginLimit` of a route. Each process counts for itself, by client address (IPv6: by /64). Off if
 * `LOGIN_RATE_LIMIT` is 0.
 */
export default fp(async (fastify) => {
  if (fastify.config.LOGIN_RATE_LIMIT === 0) return
  fastify.addHook('onRoute', (route) => {
    const max = route.config?.loginLimit
    if (max !== undefined) route.config = { ...route.config, rateLimit: { max, timeWindow: 60_000 } }
  })
  await fastify.register(rateLimit, {
    global: false,
    cache: MAX_COUNTERS,
    errorResponseBuilder: (_request, { ttl }) => new ERR_RATE_LIMIT(Math.ceil(ttl / 1000))
  })
}, { name: 'rate-limit', fastify: '5.x', dependencies: ['config'] })
