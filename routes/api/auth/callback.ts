import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import {
  ERR_CODE_MISSING, ERR_LOGIN_CANCELLED, ERR_LOGIN_REFUSED, ERR_PREFETCH, ERR_ROLE_NOT_GRANTED, ERR_STATE_MISSING, ERR_STATE_UNKNOWN
} from '../../../src/errors.js'
import { finishedReturnTo, withFinished, type FinishedLogin } from '../../../src/login/finished.js'
import { safeReturnTo } from '../../../src/login/return-to.js'
import { grantedRoles } from '../../../src/login/roles.js'
import { isSecondTry, type LoginRequest } from '../../../src/login/transaction.js'
import { isPrefetch } from '../../../src/prefetch.js'

declare module 'fastify' {
  interface Session {
    /** The last logins that ended in this session. */
    finishedLogins?: FinishedLogin[]
  }
}

/** Callbacks that one address may send for each login it may start: a reload costs one, too. */
const CALLBACKS_PER_LOGIN = 5

/** What Cognito adds to the callback (RFC 6749 §4.1.2). The lengths are ours, to bound the work. */
const Callback = {
  type: 'object',
  additionalProperties: false,
  properties: {
    code: { type: 'string', maxLength: 2048 },
    state: { type: 'string', maxLength: 512 },
    error: { type: 'string', maxLength: 256 },
    iss: { type: 'string', maxLength: 512 }
  }
} as const

/**
 * `GET /api/auth/callback`: ends the login and sends the browser to where it wanted to go.
 *
 * The login's row is taken first, so that of two callbacks with one state at most one goes on. The
 * signed-in session gets a new id, so that an id planted beforehand is worthless (session fixation).
 * There is no HEAD, and no fetching in advance: the code works once, and either would spend it.
 *
 * A callback of a login that has ended in this browser's session (reload, back, a second click) leads to where
 * that one led. Any other whose login is gone is refused; the page that says so starts the login again by
 * itself, unless the lost one was such a second try.
 *
 * @throws {ERR_PREFETCH} 403 {ERR_RATE_LIMIT} 429
 * @throws {ERR_STATE_MISSING} {ERR_STATE_UNKNOWN} {ERR_CODE_MISSING} 400
 * @throws {ERR_LOGIN_CANCELLED} {ERR_LOGIN_REFUSED} {ERR_ID_TOKEN} 401
 * @throws {ERR_ROLE_NOT_GRANTED} 403
 * @throws {ERR_COGNITO_ANSWER} 502 {ERR_COGNITO_TIMEOUT} 504 {ERR_DATABASE} 503
 */
const callback: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, cognito } = fastify

  fastify.get('/callback', {
    schema: { querystring: Callback },
    exposeHeadRoute: false,
    config: { page: true, rateLimit: { max: config.LOGIN_RATE_LIMIT * CALLBACKS_PER_LOGIN, timeWindow: 60_000 } },
    onRequest: async ({ headers }) => { if (isPrefetch(headers)) throw new ERR_PREFETCH() }
  }, async (request, reply) => {
    const { code = '', state = '', error } = request.query
    if (state === '') throw error === undefined ? new ERR_STATE_MISSING() : refusal(error)
    const finished = finishedReturnTo(request.session.finishedLogins ?? [], state)
    if (finished !== undefined) return reply.redirect(checked(finished), 303)
    const transaction = await fastify.logins.consume(request, state)
    if (transaction === undefined) throw lost(request, state, error)
    const { requestedRole, returnTo } = transaction
    request.retryUrl = loginUrl(transaction)
    // RFC 9207 §2.4: neither the code nor the error of another issuer is for this login.
    if (request.query.iss !== undefined && request.query.iss !== config.COGNITO_ISSUER) throw new ERR_LOGIN_REFUSED({ cause: new Error('iss of another issuer') })
    if (error !== undefined) throw refusal(error)
    if (code === '') throw new ERR_CODE_MISSING()

    const tokens = await exchange(request.log, code, transaction)
    const { user, groups } = await cognito.identify(tokens.idToken, transaction)
    const roles = grantedRoles(groups, config)
    if (!roles.includes(requestedRole)) {
      await fastify.tokens.revoke(request.log, tokens.refreshToken)
      throw new ERR_ROLE_NOT_GRANTED(requestedRole)
    }

    // Nothing of another user's session, or of one that was planted, goes over into this one.
    const earlier = request.session.user?.sub === user.sub ? request.session.finishedLogins : undefined
    const former = await request.endSessions()
    if (fastify.sessionStore.isStored(request.session)) await request.session.regenerate()
    const { session } = request
    Object.assign(session, { user, role: requestedRole, roles, finishedLogins: withFinished(earlier ?? [], transaction) }, fastify.tokens.seal(tokens, session.sessionId))
    await session.save()
    fastify.logins.forget(reply, state)
    // Nobody waits for that: the sign-in is done.
    void fastify.tokens.revokeOf(request.log, former)
    return reply.redirect(checked(returnTo), 303)
  })

  /** Checked when it was given, and again now: the configuration may have changed since. */
  const checked = (returnTo: string): string => safeReturnTo(returnTo, config.PUBLIC_URL, config.RETURN_ORIGINS) ?? '/'

  /** The refusal of a callback whose login is gone or another browser's, and what its page does about it. */
  function lost (request: FastifyRequest, state: string, error: string | undefined) {
    const { role = '' } = request.session
    request.retryUrl = loginUrl(fastify.logins.recall(request, state) ?? (config.ROLES.includes(role) ? { requestedRole: role, returnTo: '/' } : undefined))
    // Whoever cancelled does not want to be asked again.
    if (!isSecondTry(state) && error === undefined) request.restartUrl = `${request.retryUrl}${request.retryUrl.includes('?') ? '&' : '?'}retry=1`
    request.cookiesOff = isSecondTry(state) && !fastify.logins.keepsCookies(request)
    return new ERR_STATE_UNKNOWN()
  }

  async function exchange (log: typeof fastify.log, ...args: Parameters<typeof cognito.exchange>) {
    const start = performance.now()
    let outcome = 'ok'
    try {
      return await cognito.exchange(...args)
    } catch (error) {
      outcome = (error as { code?: string }).code ?? 'ERR_INTERNAL'
      throw error
    } finally {
      log.info({ outcome, durationMs: Math.round(performance.now() - start) }, 'Token exchange')
    }
  }
}

const loginUrl = (login?: LoginRequest): string => login === undefined
  ? '/api/auth/login'
  : `/api/auth/login?${new URLSearchParams({ role: login.requestedRole, returnTo: login.returnTo }).toString()}`

/** RFC 6749 §4.1.2.1. What the provider says of it is neither shown nor logged: anybody can write it into a URL. */
const refusal = (error: string) => error === 'access_denied'
  ? new ERR_LOGIN_CANCELLED()
  : new ERR_LOGIN_REFUSED({ cause: new Error(/^[a-z_]{1,64}$/.test(error) ? `the provider said ${error}` : 'the provider said something unreadable') })

export default fp(callback, { name: 'route:callback', encapsulate: true, dependencies: ['config', 'logins', 'cognito', 'tokens', 'session', 'errors', 'rate-limit'] })
