import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { homePage } from '../src/pages.js'

/** `GET /` outside production: a sign-in button for each role, or who is signed in. */
const home: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/', async ({ session }, reply) => {
    const { user, role = '', roles = [] } = session
    const expiresAt = new Date(fastify.sessionStore.expiresAt(session) ?? 0).toISOString()
    return reply.type('text/html; charset=utf-8').send(homePage(fastify.config.ROLES, user === undefined ? undefined : { user, role, roles, expiresAt }))
  })
}

export default fp(home, { name: 'route:home', encapsulate: true, dependencies: ['config', 'session'] })
