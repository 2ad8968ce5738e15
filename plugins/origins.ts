import cors from '@fastify/cors'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { hasCookie } from '../src/cookie-header.js'
import { isOwnCookie } from '../src/cookies.js'
import { ERR_FOREIGN_ORIGIN } from '../src/errors.js'
import { provenance } from '../src/origin.js'

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/**
 * Decides which pages may call these routes: those of `PUBLIC_URL` and `RETURN_ORIGINS`. The latter may
 * also read the answers (CORS, with cookies); unsafe requests from anywhere else are refused.
 *
 * Every browser of these years says which page an unsafe request comes from. One that says nothing is let in
 * only without a cookie of ours: then there is nothing that a foreign page could make use of.
 *
 * @throws {ERR_FOREIGN_ORIGIN}
 */
export default fp(async (fastify) => {
  const { config } = fastify
  const { PUBLIC_URL, RETURN_ORIGINS } = config
  const allowed = [PUBLIC_URL, ...RETURN_ORIGINS]

  if (RETURN_ORIGINS.length > 0) {
    await fastify.register(cors, {
      // Not the list itself: others would get the headers around the one that they lack.
      origin: (origin, callback) => { callback(null, origin !== undefined && RETURN_ORIGINS.includes(origin) ? origin : false) },
      credentials: true,
      methods: ['GET', 'POST', 'DELETE'],
      maxAge: 600
    })
  }
  fastify.addHook('onRequest', async ({ method, headers }) => {
    if (!SAFE_METHODS.includes(method) && !isAllowed(headers)) throw new ERR_FOREIGN_ORIGIN()
  })

  const isAllowed = (headers: FastifyRequest['headers']): boolean => {
    const from = provenance(headers, allowed)
    return from === 'own' || (from === 'unknown' && !hasCookie(headers.cookie ?? '', (name) => isOwnCookie(name, config)))
  }
}, { name: 'origins', fastify: '5.x', dependencies: ['config'] })
