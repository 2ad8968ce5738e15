/**
 * The application: every plugin and route, in dependency order. fastify-cli loads this file; `server.ts` runs
 * it as a process of its own.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { LogController, type FastifyPluginAsync, type FastifyReply, type FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import accessToken from '../plugins/access-token.js'
import apiReference from '../plugins/api-reference.js'
import clientAddress from '../plugins/client-address.js'
import cognito from '../plugins/cognito.js'
import configuration from '../plugins/config.js'
import cookies from '../plugins/cookies.js'
import draining from '../plugins/draining.js'
import errors from '../plugins/errors.js'
import guards from '../plugins/guards.js'
import headers from '../plugins/headers.js'
import logins from '../plugins/logins.js'
import origins from '../plugins/origins.js'
import pages from '../plugins/pages.js'
import postgres from '../plugins/postgres.js'
import rateLimit from '../plugins/rate-limit.js'
import requestLog from '../plugins/request-log.js'
import serializer from '../plugins/serializer.js'
import session from '../plugins/session.js'
import sessionStore from '../plugins/session-store.js'
import sessionViewer from '../plugins/session-viewer.js'
import tokens from '../plugins/tokens.js'
import unreadBody from '../plugins/unread-body.js'
import userSessions from '../plugins/user-sessions.js'
import verifier from '../plugins/verifier.js'
import account from '../routes/api/auth/account.js'
import callback from '../routes/api/auth/callback.js'
import extend from '../routes/api/auth/extend.js'
import login from '../routes/api/auth/login.js'
import logout from '../routes/api/auth/logout.js'
import me from '../routes/api/auth/me.js'
import sessions from '../routes/api/auth/sessions.js'
import sessionById from '../routes/api/auth/sessions/id.js'
import verify from '../routes/api/auth/verify.js'
import live from '../routes/health/live.js'
import ready from '../routes/health/ready.js'
import home from '../routes/home.js'
import oauth2Proxy from '../routes/oauth2.js'
import type { Config } from './config.js'
import { AUTH_PREFIX } from './login/paths.js'
import { answerClientError, originForm } from './malformed-request.js'

/** Options of the Fastify instance on which the application is registered. */
export const options = {
  // Fastify's own request log has the URL, and the callback's URL has the code and the state.
  logController: new LogController({ disableRequestLogging: true }),
  genReqId: () => randomUUID(),
  bodyLimit: 16 * 1024,
  requestTimeout: 30_000,
  // A URL that cannot be decoded reaches no route and no hook.
  frameworkErrors: ({ statusCode = 400 }, { id: requestId, server }, reply: FastifyReply) => {
    void reply
      .code(statusCode)
      .headers(server.defaultSecurityHeaders)
      .send({ statusCode, code: 'ERR_VALIDATION', message: 'The URL is malformed', requestId })
  },
  // Nor does a request that Node.js cannot parse.
  clientErrorHandler (
    this: { defaultSecurityHeaders?: Record<string, string> }, error: { code?: string }, socket: Socket
  ) {
    answerClientError(error, socket, this.defaultSecurityHeaders ?? {})
  },
  rewriteUrl: ({ url = '/' }: { url?: string | undefined }) => originForm(url)
} satisfies FastifyServerOptions

export interface AppOptions {
  /** Default: read from the environment. */
  config?: Config
  /** The application's own routes, with `request.session` and `request.accessToken()`. */
  routes?: FastifyPluginAsync
}

export default fp<AppOptions>(async (fastify, { config, routes }) => {
  await fastify.register(configuration, config === undefined ? {} : { config })
  await fastify.register(clientAddress)
  await fastify.register(pages)
  await fastify.register(errors)
  await fastify.register(serializer)
  await fastify.register(headers)
  await fastify.register(unreadBody)
  await fastify.register(requestLog)
  await fastify.register(draining)
  await fastify.register(postgres)
  await fastify.register(sessionStore)
  await fastify.register(sessionViewer)
  await fastify.register(verifier)
  await fastify.register(apiReference)

  // Proxies ask these for each of their requests, so they do without the hooks of the routes with sessions.
  await fastify.register(verify, { prefix: AUTH_PREFIX })
  await fastify.register(oauth2Proxy, { prefix: '/oauth2' })
  await fastify.register(live)
  await fastify.register(ready)

  // The routes with sessions. All others cost no query.
  await fastify.register(async (browser) => {
    await browser.register(origins)
    await browser.register(cookies)
    await browser.register(session)
    await browser.register(logins)
    await browser.register(cognito)
    await browser.register(tokens)
    await browser.register(userSessions)
    await browser.register(accessToken)
    await browser.register(guards)
    await browser.register(rateLimit)

    for (const route of [login, callback, me, extend, logout, sessions, sessionById, account]) {
      await browser.register(route, { prefix: AUTH_PREFIX })
    }
    if (routes !== undefined) await browser.register(routes)
    // An application may have a front page of its own.
    if (!browser.hasRoute({ method: 'GET', url: '/' })) await browser.register(home)
  })
}, { name: 'cashsouk-auth', fastify: '5.x' })
