import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isClientGone } from '../../../src/client-gone.js'
import {
  ERR_AUTH_TIME, ERR_CODE_MISSING, ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_DATABASE, ERR_ID_TOKEN,
  ERR_LOGIN_CANCELLED, ERR_LOGIN_DENIED, ERR_LOGIN_REFUSED, ERR_OTHER_USER, ERR_OVERLOADED, ERR_PREFETCH,
  ERR_RATE_LIMIT, ERR_ROLE_NOT_GRANTED, ERR_SESSION_LIMIT, ERR_STATE_MISSING, ERR_STATE_UNKNOWN, ERR_VALIDATION
} from '../../../src/errors.js'
import { logOutcome } from '../../../src/log-outcome.js'
import { addCompleted, completedReturnTo } from '../../../src/login/completed-logins.js'
import { cleanDescription } from '../../../src/login/error-description.js'
import { homeUrl, homeUrls } from '../../../src/login/home-url.js'
import { devicePageUrl } from '../../../src/login/paths.js'
import { withoutEmpty } from '../../../src/login/parameters.js'
import { MAX_STATE_LENGTH } from '../../../src/login/proposal.js'
import { loginUrl, recovery, type LoginRecovery } from '../../../src/login/recovery.js'
import { safeReturnTo } from '../../../src/login/return-to.js'
import { grantedRoles } from '../../../src/login/roles.js'
import { isSilentRefusal, notSilent, withAuth } from '../../../src/login/silent.js'
import { isStepUp, stepUpRefusal } from '../../../src/login/step-up.js'
import { isRetry, type LoginRequest } from '../../../src/login/transaction.js'
import { isPrefetch, isSubresource } from '../../../src/prefetch.js'
import { LOGIN_COOKIE, SIGN_IN_COOKIES } from '../../../src/schemas/headers.js'
import { redirectResponse } from '../../../src/schemas/page.js'
import { pageRefusals } from '../../../src/schemas/refusals.js'
import { BY_ANYONE } from '../../../src/schemas/security.js'
import { sessionClient } from '../../../src/session-client.js'

/** Callbacks that one address may send per login that it may start: a reload is one of them. */
const CALLBACKS_PER_LOGIN = 5

/** What Cognito adds to the callback (RFC 6749 §4.1.2). The lengths are ours, to bound the work. */
const Callback = {
  type: 'object',
  additionalProperties: false,
  properties: {
    code: { type: 'string', maxLength: 2048, description: 'The authorization code.' },
    state: { type: 'string', maxLength: MAX_STATE_LENGTH, description: 'Names the login.' },
    error: { type: 'string', maxLength: 256, description: 'Why there is no code (RFC 6749 §4.1.2.1).' },
    // No form of it refuses a callback.
    error_description: { description: 'For the log alone.' },
    iss: { type: 'string', maxLength: 512, description: 'The issuer (RFC 9207).' }
  }
} as const

const CompleteLogin = {
  operationId: 'completeLogin',
  summary: 'Completes a sign-in',
  description: 'Cognito sends browsers here. The code works once. There is no HEAD and no prefetching.',
  tags: ['sign-in'],
  security: BY_ANYONE,
  querystring: Callback,
  response: {
    302: redirectResponse('A sign-in that began at the identity provider: to a login of this browser.', LOGIN_COOKIE),
    303: redirectResponse('Signed in: to the return address of the login.', SIGN_IN_COOKIES),
    ...pageRefusals(
      ERR_VALIDATION, ERR_STATE_MISSING, ERR_STATE_UNKNOWN, ERR_CODE_MISSING, ERR_LOGIN_CANCELLED, ERR_LOGIN_REFUSED,
      ERR_ID_TOKEN, ERR_AUTH_TIME, ERR_PREFETCH, ERR_ROLE_NOT_GRANTED, ERR_OTHER_USER, ERR_LOGIN_DENIED,
      ERR_SESSION_LIMIT, ERR_RATE_LIMIT, ERR_COGNITO_ANSWER, ERR_DATABASE, ERR_OVERLOADED, ERR_COGNITO_TIMEOUT
    )
  }
} as const

/**
 * `GET /api/auth/callback`: completes the login and redirects to its return address.
 *
 * The login's row is consumed first, so that of several callbacks with one state at most one goes on. The
 * signed-in session gets a new id, so that a planted id is worthless (session fixation).
 * There is no HEAD, and no prefetching: the code works once, and either would spend it.
 *
 * A callback of a login that was completed in this browser's session (reload, back, a second click) redirects to the
 * same address. Any other whose login is gone is refused; its page starts an automatic retry, once.
 *
 * A code without a `state` is of a sign-in that began at the identity provider. It is not used, because no browser is
 * bound to it; a login of this browser starts in its place, once. A silent login (`prompt=none`) that needs the user
 * goes back to its return address with `auth=` and the provider's error.
 *
 * @throws {ERR_PREFETCH} 403 {ERR_RATE_LIMIT} 429
 * @throws {ERR_VALIDATION} {ERR_STATE_MISSING} {ERR_STATE_UNKNOWN} {ERR_CODE_MISSING} 400
 * @throws {ERR_LOGIN_CANCELLED} {ERR_LOGIN_REFUSED} {ERR_ID_TOKEN} {ERR_AUTH_TIME} 401
 * @throws {ERR_ROLE_NOT_GRANTED} {ERR_OTHER_USER} {ERR_LOGIN_DENIED} {ERR_SESSION_LIMIT} 403
 * @throws {ERR_COGNITO_ANSWER} 502 {ERR_COGNITO_TIMEOUT} 504 {ERR_DATABASE} {ERR_OVERLOADED} 503
 */
const callback: FastifyPluginAsyncTypebox = async (fastify) => {
  const { audit, cognito, config, hooks, logins, tokens } = fastify
  const { prefix } = config
  const homes = homeUrls(config)

  fastify.get('/callback', {
    schema: CompleteLogin,
    exposeHeadRoute: false,
    logSerializers: { req: withoutQuery },
    config: {
      page: true,
      loginLimit: config.LOGIN_RATE_LIMIT * CALLBACKS_PER_LOGIN,
      ...(audit === undefined ? {} : { refused: audit.refused }),
      recovery: (request) => {
        const { state } = request.query as { state?: unknown }
        return recovery(typeof state === 'string' ? logins.recall(request, state) : undefined, prefix)
      }
    },
    onRequest: async ({ headers }) => { if (isPrefetch(headers)) throw new ERR_PREFETCH() },
    preValidation: async (request) => { request.query = withoutEmpty(request.query) }
  }, async (request, reply) => {
    const { code = '', state = '', error, error_description: description, iss } = request.query
    const { log, session } = request
    if (state === '') {
      if (error !== undefined) throw refusal(error)
      // A script or an image does not spend the browser's guard against loops.
      const mayStart = code !== '' && !isSubresource(request.headers)
      if (!mayStart || !logins.admitUnsolicited(request, reply)) throw new ERR_STATE_MISSING()
      return reply.redirect(loginUrl(sameRole(session.role), { prefix }))
    }
    const completed = completedReturnTo(session.completedLogins ?? [], state)
    if (completed !== undefined) return reply.redirect(destination(completed, session.role), 303)
    const transaction = await logins.consume(request, state)
    if (transaction === undefined) {
      request.loginRecovery = recoveryOf(request, state, error)
      throw new ERR_STATE_UNKNOWN()
    }
    const { requestedRole, returnTo } = transaction
    const { state: _state, nonce: _nonce, codeVerifier: _verifier, stepUpOf: _user, ...login } = transaction
    request.loginRecovery = recovery(login, prefix)
    const goBack = (error: string) => {
      logins.forget(request, reply, state)
      return reply.redirect(withAuth(destination(returnTo, requestedRole), error), 303)
    }
    // RFC 9207 §2.4: neither the code nor the error of another issuer is for this login.
    if (iss !== undefined && !config.COGNITO_ISSUER.includes(iss)) {
      throw new ERR_LOGIN_REFUSED({ cause: new Error('iss of another issuer') })
    }
    if (error !== undefined) {
      if (isSilentRefusal(login.hints?.prompt, error)) return goBack(error)
      request.loginRecovery = recovery(notSilent(login), prefix)
      throw refusal(error, description)
    }
    if (code === '') throw new ERR_CODE_MISSING()

    const issued = await logOutcome(log, 'Token exchange', () => cognito.exchange(code, transaction))
    const identity = await cognito.identify(issued.idToken, transaction)
    const { user, groups, authTime } = identity
    audit?.about(request, user.sub)
    if (isClientGone(request)) {
      await tokens.revoke(log, issued.refreshToken)
      return reply.redirect(loginUrl(login, { prefix }), 303)
    }
    const roles = grantedRoles(groups, config)
    const refused = stepUpRefusal(identity, transaction, session) ??
      (roles.includes(requestedRole) ? undefined : new ERR_ROLE_NOT_GRANTED(requestedRole))
    if (refused instanceof ERR_AUTH_TIME && isSilentRefusal(login.hints?.prompt, 'login_required')) {
      log.info({ code: refused.code, cause: (refused.cause as Error).message }, 'A silent login needs the user')
      await tokens.revoke(log, issued.refreshToken)
      return goBack('login_required')
    }
    let added: Record<string, unknown>
    try {
      if (refused !== undefined) {
        request.loginRecovery = { ...recovery(notSilent(login), prefix), grantedRoles: roles }
        throw refused
      }
      added = await hooks.login({
        user,
        role: requestedRole,
        roles,
        groups,
        ...(authTime === undefined ? {} : { authTime }),
        isStepUp: isStepUp(transaction, session)
      }, request)
    } catch (error) {
      await tokens.revoke(log, issued.refreshToken)
      throw error
    }

    // Unless it is a step-up, the new session takes over nothing else, least of all from another user's session or a
    // planted one.
    const earlier = session.user?.sub === user.sub ? session.completedLogins ?? [] : []
    const completedLogins = addCompleted(earlier, transaction)
    try {
      await request.startSession(
        (id) => ({
          ...added,
          user,
          role: requestedRole,
          roles,
          ...(authTime === undefined ? {} : { authTime }),
          completedLogins,
          client: sessionClient(request.headers['user-agent'], request.ip),
          ...tokens.encrypt(issued, id)
        }),
        // In the background: the sign-in need not wait for it.
        (ended) => { void tokens.revokeOf(log, ended) },
        { keepsData: isStepUp(transaction, session) }
      )
    } catch (error) {
      void tokens.revoke(log, issued.refreshToken)
      throw error
    }
    // Its session is being ended.
    if (isClientGone(request)) void tokens.revoke(log, issued.refreshToken)
    logins.forget(request, reply, state)
    const address = destination(returnTo, requestedRole)
    const mustBind = fastify.deviceBound?.sessions.stateOf({ roles }).isRequired === true
    return reply.redirect(mustBind ? devicePageUrl(address, prefix) : address, 303)
  })

  /**
   * Where a login ends. Its address was checked when it began; the configuration may have changed since. Without one,
   * it ends where the role is at home.
   */
  function destination (returnTo: string, role: string | undefined): string {
    const checked = safeReturnTo(returnTo, config.PUBLIC_URL, config.RETURN_ORIGINS, prefix) ?? '/'
    return ['/', `${config.PUBLIC_URL}/`].includes(checked) ? homeUrl(homes, role) ?? checked : checked
  }

  /** A login for the role that the browser's session has. */
  const sameRole = (role = ''): LoginRequest | undefined =>
    config.ROLES.includes(role) ? { requestedRole: role, returnTo: '/' } : undefined

  /** What the page offers when the login's row is gone, or belongs to another browser. */
  function recoveryOf (request: FastifyRequest, state: string, error: string | undefined): LoginRecovery {
    const login = logins.recall(request, state) ?? sameRole(request.session.role)
    const offered = recovery(login, prefix)
    if (isRetry(state)) return { ...offered, cookiesBlocked: !logins.hasOwnCookies(request) }
    // A user who cancelled does not want to be asked again.
    return error === undefined ? { ...offered, autoRetryUrl: loginUrl(login, { isRetry: true, prefix }) } : offered
  }
}

/** A request for an application's log of requests: the query has the code and the state. */
const withoutQuery = ({ method, url, host, ip, socket }: FastifyRequest) =>
  ({ method, url: url.split('?', 1)[0], host, remoteAddress: ip, remotePort: socket.remotePort })

/**
 * RFC 6749 §4.1.2.1. The provider's text is never shown: anyone can write it into a URL.
 *
 * @param description for the log, if the `state` was ours.
 */
function refusal (error: string, description?: unknown): Error {
  const isCode = /^[a-z_]{1,64}$/.test(error)
  const reason = isCode ? `the provider said ${error}` : 'the provider returned an invalid error code'
  const details = typeof description === 'string' ? cleanDescription(description) : undefined
  const cause = new Error(details === undefined ? reason : `${reason}: ${details}`)
  return error === 'access_denied' ? new ERR_LOGIN_CANCELLED({ cause }) : new ERR_LOGIN_REFUSED({ cause })
}

export default fp(callback, {
  name: 'route:callback',
  encapsulate: true,
  dependencies: [
    'audit', 'config', 'device-bound', 'hooks', 'logins', 'cognito', 'tokens', 'session', 'session-changes', 'errors',
    'rate-limit'
  ]
})
