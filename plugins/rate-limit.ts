import rateLimit from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import { ERR_RATE_LIMIT } from '../src/errors.js'

/**
 * Makes `config.rateLimit` of a route work. Counted in this process, by client address (IPv6: by /64);
 * the counters are bounded in number. Off when `LOGIN_RATE_LIMIT` is 0.
 */
export default fp(async (fastify) => {
  if (fastify.config.LOGIN_RATE_LIMIT === 0) return
  await fastify.register(rateLimit, {
    global: false,
    cache: 10_000,
    errorResponseBuilder: (_request, { ttl }) => new ERR_RATE_LIMIT(Math.ceil(ttl / 1000))
  })
}, { name: 'rate-limit', fastify: '5.x', dependencies: ['config'] })
