import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { hasReference, startReference, type DescribedRoute, type Reference } from '../src/dev-reference.js'
import { DOCUMENT_PATH, REFERENCE_PATH } from '../src/login/paths.js'

const HEADERS = ['content-type', 'content-security-policy', 'location']

/**
 * In development, describes the routes that are registered after it: `GET /api/auth/openapi.json` is an OpenAPI 3.1
 * document, and `GET /api/auth/reference` a page that shows it. Both are made at the first request.
 */
export default fp(async (fastify) => {
  const { config } = fastify
  if (config.production || !await hasReference()) return
  const routes: DescribedRoute[] = []
  let starting: Promise<Reference> | undefined

  async function answer (url: string, reply: FastifyReply): Promise<FastifyReply> {
    starting ??= startReference(routes, { path: REFERENCE_PATH, cookieName: config.COOKIE_NAME })
    const { statusCode, headers, rawPayload } = await (await starting).inject({ url })
    for (const name of HEADERS) {
      if (headers[name] !== undefined) void reply.header(name, headers[name])
    }
    return reply.code(statusCode).send(rawPayload)
  }
  const asRequested = async ({ url }: FastifyRequest, reply: FastifyReply) => answer(url, reply)

  fastify.get(DOCUMENT_PATH, async (_request, reply) => answer(`${REFERENCE_PATH}/json`, reply))
  fastify.get(REFERENCE_PATH, asRequested)
  fastify.get(`${REFERENCE_PATH}/*`, asRequested)
  fastify.addHook('onRoute', ({ method, url, schema }) => { routes.push({ method, url, schema }) })
  fastify.addHook('onClose', async () => { await (await starting)?.close() })
}, { name: 'api-reference', fastify: '5.x', dependencies: ['config', 'headers'] })
