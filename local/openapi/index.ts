/**
 * The document of the API (OpenAPI 3.1), and a page that shows it.
 *
 * @module
 */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import type { DescribedRoute, ReferenceOptions } from '../../src/dev-reference.js'
import { description } from './description.js'
import { withNamedSchemas } from './named-schemas.js'

/** The page has no script, style or font but its own. Its icons are data URLs. */
const POLICY = [
  'default-src \'none\'',
  'script-src \'self\'',
  'style-src \'self\'',
  'img-src \'self\' data:',
  'connect-src \'self\'',
  'frame-ancestors \'none\'',
  'base-uri \'none\''
].join(';')

/** A server of its own, which answers `inject` and never listens: the libraries are loaded at the first request. */
export async function startReference (
  routes: readonly DescribedRoute[], { path, cookieName }: ReferenceOptions
): Promise<FastifyInstance> {
  const fastify = Fastify()
  // The routes are only described here.
  fastify.setValidatorCompiler(() => () => true)
  fastify.setSerializerCompiler(() => JSON.stringify)
  await fastify.register(swagger, {
    openapi: await description(cookieName),
    convertConstToEnum: false,
    transformObject: (document) => 'openapiObject' in document
      ? withNamedSchemas(document.openapiObject)
      : document.swaggerObject
  })
  await fastify.register(swaggerUi, {
    routePrefix: path,
    staticCSP: POLICY,
    theme: { title: 'cashsouk-auth' },
    // Without the bar at the top, which has a style sheet in its logo.
    uiConfig: { layout: 'BaseLayout' }
  })
  for (const { method, url, schema } of routes) {
    // A HEAD is described by its GET.
    if (method === 'HEAD') continue
    // A route for every method is described as its GET.
    const described = Array.isArray(method) ? 'GET' : method
    const route = { method: described, url, handler: () => undefined, exposeHeadRoute: false }
    fastify.route({ ...route, ...(schema === undefined ? {} : { schema }) } as RouteOptions)
  }
  await fastify.ready()
  return fastify
}
