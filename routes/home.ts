import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { homePage, type SignedIn } from '../src/pages/index.js'

/** `GET /` outside production: a sign-in button for each role, or who is signed in. */
const home: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, sessionStore } = fastify

  fastify.get('/', async ({ session }, reply) => {
    const { user, role = '', roles = [] } = session
    const expiresAt = new Date(sessionStore.expiresAt(session) ?? 0).toISOString()
    const signedIn: SignedIn | undefined = user === undefined ? undefined : { user, role, roles, expiresAt }
    return reply.sendPage((view) => homePage(config.ROLES, signedIn, view))
  })
}

export default fp(home, {
  name: 'route:home', encapsulate: true, dependencies: ['config', 'pages', 'session', 'session-store']
})
