import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { homePage, type SignedIn } from '../src/pages.js'

/** `GET /` outside production: a sign-in button for each role, or who is signed in. */
const home: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, sessionStore } = fastify

  fastify.get('/', async ({ session }, reply) => {
    const { user, role = '', roles = [] } = session
    const expiresAt = new Date(sessionStore.expiresAt(session) ?? 0).toISOString()
    const signedIn: SignedIn | undefined = user === undefined ? undefined : { user, role, roles, expiresAt }
    return reply.type('text/html; charset=utf-8').send(homePage(config.ROLES, signedIn))
  })
}

export default fp(home, {
  name: 'route:home', encapsulate: true, dependencies: ['config', 'session', 'session-store']
})
