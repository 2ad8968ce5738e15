import cookie from '@fastify/cookie'
import fp from 'fastify-plugin'

/** Parses and signs cookies with SESSION_SECRET: the first secret signs, all verify. */
export default fp(async (fastify) => {
  await fastify.register(cookie, { secret: fastify.config.SESSION_SECRET })
}, { name: 'cookies', fastify: '5.x', dependencies: ['config'] })
