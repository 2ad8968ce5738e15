import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import { ERR_FOREIGN_ORIGIN } from '../src/errors.js'
import { isForeign } from '../src/origin.js'

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/**
 * Decides which pages may call these routes: those of `PUBLIC_URL` and `RETURN_ORIGINS`. The latter may
 * also read the answers (CORS, with cookies); unsafe requests from anywhere else are refused.
 *
 * @throws {ERR_FOREIGN_ORIGIN}
 */
export default fp(async (fastify) => {
  const { PUBLIC_URL, RETURN_ORIGINS } = fastify.config
  const allowed = [PUBLIC_URL, ...RETURN_ORIGINS]

  if (RETURN_ORIGINS.length > 0) {
    await fastify.register(cors, { origin: RETURN_ORIGINS, credentials: true, methods: ['GET', 'POST', 'DELETE'], maxAge: 600 })
  }
  fastify.addHook('onRequest', async ({ method, headers }) => {
    if (!SAFE_METHODS.includes(method) && isForeign(headers, allowed)) throw new ERR_FOREIGN_ORIGIN()
  })
}, { name: 'origins', fastify: '5.x', dependencies: ['config'] })
