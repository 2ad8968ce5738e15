/**
 * The application: the plugin of this package, alone. fastify-cli loads this file; `serve.ts` runs it as a process of
 * its own.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { LogController, type FastifyHttpOptions, type FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import auth, { standalone } from '../index.js'
import type { Config } from './config.js'
import { answerClientError, originForm } from './malformed-request.js'

/** Options of the Fastify instance on which the application is registered. */
export const options = {
  // Fastify's own request log has the URL, and the callback's URL has the code and the state.
  logController: new LogController({ disableRequestLogging: true }),
  genReqId: () => randomUUID(),
  bodyLimit: 16 * 1024,
  // test/schemas.test.ts checks the schemas of the routes. To check one here compiles the schema of all schemas.
  ajv: { customOptions: { validateSchema: false } },
  // A load balancer must close an idle connection first: the default of an ALB is 60 s, and so is nginx's.
  keepAliveTimeout: 75_000,
  requestTimeout: 30_000,
  // How often Node.js looks for requests that have exceeded their time. Its own default is 30 s.
  http: { connectionsCheckingInterval: 5000 },
  // While the server closes, requests that are still coming in are answered as before. Fastify's own 503 has no
  // code, request id or headers.
  return503OnClosing: false,
  // A URL that cannot be decoded reaches no route and no hook.
  frameworkErrors: ({ statusCode = 400 }, { id: requestId, server }, reply: FastifyReply) => {
    void reply
      .code(statusCode)
      .headers({ ...server.defaultSecurityHeaders, ...(server.draining.started ? { connection: 'close' } : {}) })
      .send({ statusCode, code: 'ERR_VALIDATION', message: 'The URL is malformed', requestId })
  },
  // Nor does a request that Node.js cannot parse.
  clientErrorHandler (
    this: { defaultSecurityHeaders?: Record<string, string> }, error: { code?: string }, socket: Socket
  ) {
    answerClientError(error, socket, this.defaultSecurityHeaders ?? {})
  },
  rewriteUrl: ({ url = '/' }: { url?: string | undefined }) => originForm(url)
} satisfies FastifyHttpOptions<Server>

export interface AppOptions {
  /** The plugin of @fastify/otel, where requests are traced. */
  instrumentation?: unknown
  /** Default: read from the environment. */
  config?: Config
}

export default fp<AppOptions>(async (fastify, options) => {
  await fastify.register(standalone, options)
  await fastify.register(auth, { health: true, home: true })
}, { name: 'cashsouk-auth:app', fastify: '5.x' })
