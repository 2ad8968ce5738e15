import cookie from '@fastify/cookie'
import fp from 'fastify-plugin'

/**
 * Parses and signs cookies with SESSION_SECRET: the first secret signs, all verify.
 *
 * What a cookie does not say of itself it has from here. `Max-Age`, since `Expires` alone is measured by the
 * browser's clock, and one that runs ahead would throw the session cookie away. `Secure`, without which
 * browsers ignore the removal of a cookie named `__Host-` or `__Secure-`.
 */
export default fp(async (fastify) => {
  const { SESSION_SECRET, SESSION_TTL, PUBLIC_URL } = fastify.config
  await fastify.register(cookie, {
    secret: SESSION_SECRET,
    parseOptions: { maxAge: SESSION_TTL, httpOnly: true, sameSite: 'lax', secure: PUBLIC_URL.startsWith('https:') }
  })
}, { name: 'cookies', fastify: '5.x', dependencies: ['config'] })
