import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { errorAnswered, type ErrorAnswered } from '../src/channels.js'
import { ERR_INTERNAL, ERR_VALIDATION } from '../src/errors.js'
import { portalOf, recovery as newLogin, type LoginRecovery } from '../src/login/recovery.js'
import { signOutUrl } from '../src/login/paths.js'
import { errorPage, signOutPage } from '../src/pages/index.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A browser navigates to this route: its errors are pages where `Accept` has `text/html`. */
    page?: true | 'sign-out'
    /** What this route's error page offers unless the route has set `request.loginRecovery`. Must not throw. */
    recovery?: (request: FastifyRequest) => LoginRecovery
  }
  interface FastifyRequest {
    /** The code of the error that it is answered with. */
    failureCode: string | undefined
  }
  interface FastifyReply {
    /** Answers with an error, as if it had been thrown, and does not log it. */
    sendError (error: FastifyError): FastifyReply
  }
}

/** An error that a hook, a route or a library raised. */
interface RaisedError extends Error { statusCode?: unknown, code?: unknown }

/** `reason`: of a 401, why there is no session. */
interface KnownError extends Error { statusCode: number, code: string, reason?: unknown }

interface ErrorBody { statusCode: number, code: string, message: string, requestId: string }

/**
 * Answers errors as `{ statusCode, code, message, requestId }`, or as a page for a browser. A 401 may have a `reason`
 * as well. The message of a 5xx is the status' standard phrase: what happened stays in the log.
 */
export default fp(async (fastify) => {
  const { databaseHealth } = fastify
  fastify.decorateRequest('failureCode', undefined)

  fastify.setErrorHandler((thrown: unknown, request, reply) => {
    const raised: RaisedError = thrown instanceof Error
      ? thrown
      : new Error('A non-Error value was thrown', { cause: thrown })
    const error = asKnown(raised)
    const { statusCode, code } = error
    const clocks = CLOCK_CODES.has(code) ? databaseHealth.clocks.problem : undefined
    if (databaseHealth.requestFailed(code)) {
      request.log[levelOf(error, clocks !== undefined)]({
        code,
        statusCode,
        reason: raised.message,
        cause: raised.cause instanceof Error ? [raised.cause.message, clocks].filter(Boolean).join('; ') : clocks,
        stack: code === 'ERR_INTERNAL' ? raised.stack : undefined
      }, 'Request failed')
    }
    request.routeOptions.config.refused?.(request, error)
    return answer(request, reply, error)
  })

  fastify.decorateReply('sendError', function (this: FastifyReply, error) {
    return answer(this.request, this, withStatus(error))
  })
}, { name: 'errors', fastify: '5.x', dependencies: ['config', 'database-health', 'pages'] })

/** What a wrong clock can be to blame for: an ID token that seems to be expired or of the future, an old sign-in. */
const CLOCK_CODES: ReadonlySet<string> = new Set(['ERR_ID_TOKEN', 'ERR_AUTH_TIME'])

function levelOf ({ statusCode, code }: KnownError, isClockWrong: boolean): 'error' | 'warn' | 'info' {
  // A probe of a draining server is not a failure.
  if (statusCode >= 500 && code !== 'ERR_DRAINING') return 'error'
  return isClockWrong ? 'warn' : 'info'
}

/** The server's own errors unchanged; Fastify's 4xx with their message; anything else as ERR_INTERNAL. */
function asKnown (raised: RaisedError): KnownError {
  if (isOwn(raised)) return raised
  // The platform's own errors (DOMException) have numbers for codes.
  const code = typeof raised.code === 'string' ? raised.code : ''
  const statusCode = typeof raised.statusCode === 'number' ? raised.statusCode : 500
  if (code === 'FST_ERR_VALIDATION') return withStatus(new ERR_VALIDATION(raised.message))
  if (statusCode < 400 || statusCode >= 500) return withStatus(new ERR_INTERNAL({ cause: raised }))
  return Object.assign(raised, { statusCode, code: code === '' ? 'ERR_VALIDATION' : code })
}

const isOwn = (raised: RaisedError): raised is KnownError =>
  typeof raised.code === 'string' && raised.code.startsWith('ERR_') && typeof raised.statusCode === 'number'

const withStatus = (error: FastifyError): KnownError =>
  Object.assign(error, { statusCode: error.statusCode ?? 500 })

function answer (request: FastifyRequest, reply: FastifyReply, { statusCode, code, message, reason }: KnownError) {
  const shown = statusCode >= 500 ? STATUS_CODES[statusCode] ?? 'Error' : message
  const told = typeof reason === 'string' && statusCode < 500 ? { reason } : {}
  const body = { statusCode, code, message: shown, ...told, requestId: request.id }
  request.failureCode = code
  void reply.code(statusCode)
  if (errorAnswered.hasSubscribers) errorAnswered.publish({ request, code } satisfies ErrorAnswered)
  // Turbo's scripts accept text/html, and would show the page in place of their own.
  const isPage = request.routeOptions.config.page !== undefined && code !== 'ERR_NAVIGATION_REQUIRED'
  return isPage && acceptsHtml(request) ? answerPage(request, reply, body) : reply.send(body)
}

function answerPage (request: FastifyRequest, reply: FastifyReply, body: ErrorBody) {
  const { code, requestId } = body
  const { config } = request.server
  const isSignOut = request.routeOptions.config.page === 'sign-out'
  const { prefix } = config
  const url = signOutUrl(isSignOut ? logoutUrlOf(request, config.LOGOUT_URLS) : undefined, prefix)
  if (isSignOut && code === 'ERR_FOREIGN_ORIGIN') {
    return reply.sendPage((view) => signOutPage({ signOutUrl: url, refusal: { code, requestId } }, view))
  }
  const { recovery: recoveryOf } = request.routeOptions.config
  // `loginRecovery` is absent where the plugin `logins` is not registered.
  const recovery = request.loginRecovery ?? recoveryOf?.(request) ?? newLogin(undefined, prefix)
  const { login, returnTo = login?.returnTo } = recovery
  const portalUrl = returnTo === undefined ? undefined : portalOf(returnTo, config.PUBLIC_URL)
  const retryAfter = Number(reply.getHeader('retry-after') ?? NaN)
  return reply.sendPage((view) => errorPage({
    ...body,
    ...recovery,
    signOutUrl: url,
    isSignOut,
    ...(portalUrl === undefined ? {} : { portalUrl }),
    ...(Number.isNaN(retryAfter) ? {} : { retryAfterS: retryAfter })
  }, view))
}

/** Where a sign-out wants to lead: a registered address, or undefined. */
function logoutUrlOf ({ query }: FastifyRequest, registered: readonly string[]): string | undefined {
  const { returnTo } = query as { returnTo?: unknown }
  return registered.find((url) => url === returnTo)
}

const acceptsHtml = (request: FastifyRequest): boolean => request.headers.accept?.includes('text/html') === true
