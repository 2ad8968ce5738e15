import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import {
  ERR_CODE_MISSING, ERR_LOGIN_CANCELLED, ERR_LOGIN_REFUSED, ERR_ROLE_NOT_GRANTED, ERR_STATE_MISSING, ERR_STATE_UNKNOWN
} from '../../../src/errors.js'
import { safeReturnTo } from '../../../src/login/return-to.js'
import { grantedRoles } from '../../../src/login/roles.js'
import { TokenVault } from '../../../src/login/token-vault.js'

/** What Cognito adds to the callback (RFC 6749 §4.1.2). The lengths are ours, to bound the work. */
const Callback = Type.Object({
  code: Type.Optional(Type.String({ maxLength: 2048 })),
  state: Type.Optional(Type.String({ maxLength: 512 })),
  error: Type.Optional(Type.String({ maxLength: 256 })),
  iss: Type.Optional(Type.String({ maxLength: 512 }))
}, { additionalProperties: false })

/**
 * `GET /api/auth/callback`: ends the login and sends the browser to where it wanted to go.
 *
 * The login's row is taken first, so that of two callbacks with one state at most one goes on. The
 * signed-in session gets a new id, so that an id planted beforehand is worthless (session fixation).
 * There is no HEAD: the code works once, and a HEAD would spend it.
 *
 * @throws {ERR_STATE_MISSING} {ERR_STATE_UNKNOWN} {ERR_CODE_MISSING} 400
 * @throws {ERR_LOGIN_CANCELLED} {ERR_LOGIN_REFUSED} {ERR_ID_TOKEN} 401
 * @throws {ERR_ROLE_NOT_GRANTED} 403
 * @throws {ERR_COGNITO_ANSWER} 502 {ERR_COGNITO_TIMEOUT} 504 {ERR_DATABASE} 503
 */
const callback: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, cognito } = fastify
  const vault = new TokenVault(config.SESSION_SECRET)

  fastify.get('/callback', {
    schema: { querystring: Callback },
    exposeHeadRoute: false,
    config: { page: true }
  }, async (request, reply) => {
    const { code = '', state = '', error } = request.query
    if (state === '') throw error === undefined ? new ERR_STATE_MISSING() : refusal(error)
    const transaction = await fastify.logins.take(request, reply, state)
    if (transaction === undefined) throw new ERR_STATE_UNKNOWN()
    const { requestedRole, returnTo } = transaction
    request.retryUrl = `/api/auth/login?${new URLSearchParams({ role: requestedRole, returnTo }).toString()}`
    // RFC 9207 §2.4: neither the code nor the error of another issuer is for this login.
    if (request.query.iss !== undefined && request.query.iss !== config.COGNITO_ISSUER) throw new ERR_LOGIN_REFUSED({ cause: new Error('iss of another issuer') })
    if (error !== undefined) throw refusal(error)
    if (code === '') throw new ERR_CODE_MISSING()

    const { idToken, refreshToken } = await exchange(request.log, code, transaction)
    const { user, groups } = await cognito.identify(idToken, transaction)
    const roles = grantedRoles(groups, config)
    if (!roles.includes(requestedRole)) {
      if (refreshToken !== undefined) await cognito.revoke(refreshToken).catch((cause: unknown) => { request.log.warn({ reason: (cause as Error).message }, 'Refresh token not revoked') })
      throw new ERR_ROLE_NOT_GRANTED(requestedRole)
    }

    if (fastify.sessionStore.isStored(request.session)) await request.session.regenerate()
    const { session } = request
    Object.assign(session, { user, role: requestedRole, roles })
    if (refreshToken !== undefined) session.refreshToken = vault.seal(refreshToken, session.sessionId)
    await session.save()
    return reply.redirect(safeReturnTo(returnTo, config.PUBLIC_URL, config.RETURN_ORIGINS) ?? '/', 303)
  })

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

/** RFC 6749 §4.1.2.1. What the provider says of it is neither shown nor logged: anybody can write it into a URL. */
const refusal = (error: string) => error === 'access_denied'
  ? new ERR_LOGIN_CANCELLED()
  : new ERR_LOGIN_REFUSED({ cause: new Error(/^[a-z_]{1,64}$/.test(error) ? `the provider said ${error}` : 'the provider said something unreadable') })

export default fp(callback, { name: 'route:callback', encapsulate: true, dependencies: ['config', 'logins', 'cognito', 'session', 'errors'] })
