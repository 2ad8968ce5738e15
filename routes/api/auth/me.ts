import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_UNAUTHENTICATED } from '../../../src/errors.js'

/**
 * `GET /api/auth/me`: who is signed in, and until when. `expiresAt` is a lower bound: this request may extend it.
 * Times are ISO 8601, UTC.
 *
 * @throws {ERR_UNAUTHENTICATED} 401
 * @throws {ERR_DATABASE} 503
 */
const me: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, otherSites, sessionStore: store } = fastify
  const absoluteTtlMs = config.SESSION_ABSOLUTE_TTL * 1000

  fastify.get('/me', async ({ session, headers: { origin } }) => {
    const { user, role, roles } = session
    const createdAt = store.createdAt(session)
    const expiresAt = store.expiresAt(session)
    if (user === undefined || createdAt === undefined || expiresAt === undefined) {
      throw unauthenticated(otherSites.find((each) => each === origin))
    }
    return {
      user,
      role,
      roles,
      createdAt: iso(createdAt),
      expiresAt: iso(expiresAt),
      absoluteExpiresAt: iso(createdAt + absoluteTtlMs)
    }
  })
}

/** @param otherSite the portal that asks, if the browser never sends it the cookie. */
function unauthenticated (otherSite: string | undefined): Error {
  const error = new ERR_UNAUTHENTICATED()
  if (otherSite !== undefined) {
    error.message += `. Pages of ${otherSite} have no session: browsers send the cookie only within one site`
  }
  return error
}

const iso = (ms: number): string => new Date(ms).toISOString()

export default fp(me, {
  name: 'route:me', encapsulate: true, dependencies: ['config', 'origins', 'session-store', 'session']
})
