import cookie, { Signer } from '@fastify/cookie'
import fp from 'fastify-plugin'
import { latest } from '../src/latest.js'

/**
 * Parses cookies, unless the application does so already, and signs them with SESSION_SECRET: the first secret signs,
 * all verify. @fastify/cookie itself gets no secret, so that an application cannot sign a session cookie by accident.
 */
export default fp(async (fastify) => {
  if (!fastify.hasReplyDecorator('setCookie')) await fastify.register(cookie)
  const signer = latest(() => fastify.config.SESSION_SECRET, (secrets) => new Signer([...secrets]))
  fastify.decorate('signCookie', (value: string) => signer().sign(value))
  fastify.decorate('unsignCookie', (value: string) => signer().unsign(value))
}, { name: 'cookies', fastify: '5.x', dependencies: ['config'] })
