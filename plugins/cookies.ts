import cookie from '@fastify/cookie'
import fp from 'fastify-plugin'

/**
 * Parses and signs cookies with SESSION_SECRET: the first secret signs, all verify.
 *
 * Every cookie gets a `Max-Age` unless it says otherwise: `Expires` alone is measured by the browser's
 * clock, and one that runs ahead would throw the session cookie away.
 */
export default fp(async (fastify) => {
  const { SESSION_SECRET, SESSION_TTL } = fastify.config
  await fastify.register(cookie, { secret: SESSION_SECRET, parseOptions: { maxAge: SESSION_TTL } })
}, { name: 'cookies', fastify: '5.x', dependencies: ['config'] })
