import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyRequest, Session } from 'fastify'
import fp from 'fastify-plugin'
import type { EndReason } from '../src/end-reason.js'
import {
  ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_ID_TOKEN, ERR_LOGIN_REFUSED, ERR_UNAUTHENTICATED
} from '../src/errors.js'
import { logOutcome } from '../src/log-outcome.js'
import { grantedRoles } from '../src/login/roles.js'
import type { AccessToken, KeptTokens, Tokens } from '../src/login/session-tokens.js'
import type { AuthEvent, Lease, SessionData } from '../src/sessions/index.js'
import { usedNow } from '../src/used-now.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** `request.accessToken()` of a request. */
    accessTokenOf (request: FastifyRequest): Promise<string>
  }
}

/** Lease duration. Must exceed one session read plus one call to Cognito. */
const LEASE_MS = 15_000
/** How long a request waits for the lease holder, without an access token and with one that is still valid. */
const PATIENCE_MS = 8000
const PATIENCE_WITH_TOKEN_MS = 2000
const POLL_MS = 100
/** After a failure of Cognito, no instance asks again for this long. */
const PAUSE_MS = 2000
/** What is recorded of a session whose role is no longer granted. */
const BY_RULE = { actor: 'server', reason: 'role_lost' } as const

/** A signed-in session as its row holds it. */
type SignedIn = SessionData & KeptTokens & Required<Pick<Session, 'user' | 'role'>>

/** Decorates with `accessTokenOf`. */
export default fp(async (fastify) => {
  const { audit, cognito, config, hooks, sessionChanges, sessionStore: store, tokens } = fastify
  /** Renewals under way in this process, by session id. */
  const renewals = new Map<string, Promise<string>>()

  fastify.decorate('accessTokenOf', async (request: FastifyRequest) => {
    const { session } = request
    if (session.user === undefined || !store.isStored(session)) throw new ERR_UNAUTHENTICATED()
    const { sessionId: id } = session
    const current = currentToken(session, id)
    if (current !== undefined && !current.isDue) return current.token

    let renewal = renewals.get(id)
    if (renewal === undefined) {
      renewal = renew(id, request).finally(() => { renewals.delete(id) })
      renewals.set(id, renewal)
    }
    const token = await renewal.catch((error: unknown) => {
      if (error instanceof ERR_UNAUTHENTICATED) sessionChanges.ended(request)
      throw error
    })
    // A change that this request has made must not be lost: it is merged with the row when the session is written.
    if (session.isModified()) return token
    await session.reload()
    if (!store.isStored(request.session)) throw new ERR_UNAUTHENTICATED()
    return token
  })

  /** The session's access token, renewed by the holder of its lease. */
  async function renew (id: string, request: FastifyRequest): Promise<string> {
    const start = performance.now()
    for (;;) {
      const lease = await store.acquireLease(id, LEASE_MS)
      if (lease.acquired) return renewWithLease(lease, id, request)
      const current = currentToken(await loadSession(id), id)
      if (current !== undefined && !current.isDue) return current.token
      const patience = current === undefined ? PATIENCE_MS : PATIENCE_WITH_TOKEN_MS
      if (lease.failed !== undefined || performance.now() - start > patience) {
        if (current !== undefined) return current.token
        throw failureOf(lease.failed)
      }
      await sleep(POLL_MS)
    }
  }

  async function renewWithLease (lease: Lease, id: string, request: FastifyRequest): Promise<string> {
    let failure: string | undefined
    try {
      const session = await loadSession(id)
      const current = currentToken(session, id)
      if (current !== undefined && !current.isDue) return current.token // the previous holder has renewed it
      try {
        return await refresh(id, session, request)
      } catch (error) {
        if (!isCognitoFailure(error)) throw error
        failure = error.code
        const valid = currentToken(session, id)
        if (valid === undefined) throw error
        return valid.token
      }
    } finally {
      // Without this statement the lease expires by itself.
      await (failure === undefined ? lease.release() : lease.fail(failure, PAUSE_MS)).catch(() => {})
    }
  }

  async function refresh (id: string, session: SignedIn, request: FastifyRequest): Promise<string> {
    const { log } = request
    const refreshToken = tokens.refreshToken(session, id)
    if (refreshToken === undefined) throw new ERR_UNAUTHENTICATED()
    const issued = await requestTokens(refreshToken, log)
    if (issued === undefined) return handleInvalidGrant(id, refreshToken, request)
    const { accessToken } = issued
    if (accessToken === undefined) {
      throw new ERR_COGNITO_ANSWER({ cause: new Error('no access_token in the token response') })
    }
    const { user, groups } = await verifyIdentity(id, session, issued, log)
    const roles = grantedRoles(groups, config)
    if (!roles.includes(session.role)) {
      await end(id, session, 'role_lost', audit && [audit.event(request, 'ended', BY_RULE)])
      await tokens.revoke(log, issued.refreshToken ?? refreshToken)
      log.info('A session was ended: its role is no longer granted')
      throw new ERR_UNAUTHENTICATED()
    }
    await saveSession(id, session, { user, roles, ...tokens.encrypt(issued, id, store.databaseNow(session)) })
    // If the user signed out meanwhile, nothing was written; the sign-out could not revoke the token just issued.
    if (await store.promises.get(id) === null) {
      await tokens.revoke(log, issued.refreshToken)
      throw new ERR_UNAUTHENTICATED()
    }
    return accessToken.token
  }

  /** New tokens; undefined when Cognito no longer accepts the refresh token. */
  async function requestTokens (refreshToken: string, log: FastifyBaseLogger): Promise<Tokens | undefined> {
    try {
      return await logOutcome(log, 'Token refresh', () => cognito.refresh(refreshToken))
    } catch (error) {
      if (error instanceof ERR_LOGIN_REFUSED) return undefined
      throw error
    }
  }

  /** Ends the session, unless it has another refresh token by now: then this request was only late. */
  async function handleInvalidGrant (id: string, refreshToken: string, request: FastifyRequest): Promise<string> {
    const session = await loadSession(id)
    const current = currentToken(session, id)
    if (current !== undefined && tokens.refreshToken(session, id) !== refreshToken) return current.token
    await end(id, session, 'provider', audit && [
      audit.event(request, 'renewal_refused', { actor: 'cognito', reason: 'ERR_LOGIN_REFUSED' }),
      audit.event(request, 'ended', { actor: 'cognito', reason: 'provider' })
    ])
    request.log.info('A session was ended: Cognito no longer takes its refresh token')
    throw new ERR_UNAUTHENTICATED()
  }

  async function end (
    id: string, { user }: SignedIn, reason: EndReason & ('role_lost' | 'provider'),
    events: readonly AuthEvent[] | undefined
  ): Promise<void> {
    const ended = await store.consume(id, { reason, events })
    if (ended !== null) hooks.ended(reason, user)
  }

  /** The user of the new tokens. An invalid ID token is a failure of Cognito, not of the user. */
  async function verifyIdentity (id: string, session: SignedIn, issued: Tokens, log: FastifyBaseLogger) {
    const { idToken, refreshToken } = issued
    try {
      return await cognito.verifyRefreshedIdToken(idToken, session.user)
    } catch (error) {
      if (error instanceof ERR_ID_TOKEN) {
        await tokens.revoke(log, refreshToken)
        throw new ERR_COGNITO_ANSWER({ cause: error.cause })
      }
      // The keys are unavailable. A rotated refresh token is needed at the next try.
      if (refreshToken !== undefined) await saveSession(id, session, tokens.encrypt({ idToken, refreshToken }, id))
      throw error
    }
  }

  function currentToken (session: KeptTokens, id: string): AccessToken | undefined {
    return tokens.accessToken(session, id, {
      nowMs: store.databaseNow(session) ?? Infinity, createdMs: store.createdAt(session) ?? 0
    })
  }

  /** @throws {ERR_UNAUTHENTICATED} when the session has ended. */
  async function loadSession (id: string): Promise<SignedIn> {
    const session = await store.promises.get(id)
    if (!isSignedIn(session)) throw new ERR_UNAUTHENTICATED()
    return session
  }

  async function saveSession (id: string, session: SignedIn, changes: Partial<Session>): Promise<void> {
    await store.promises.set(id, usedNow(session, config.SESSION_TTL, changes))
  }
}, {
  name: 'access-token',
  fastify: '5.x',
  dependencies: ['audit', 'config', 'hooks', 'session-store', 'session-changes', 'cognito', 'tokens']
})

const isSignedIn = (session: SessionData | null): session is SignedIn => session?.user !== undefined

/** Whether the same may succeed later, because Cognito failed. */
const isCognitoFailure = (error: unknown): error is { code: string } =>
  error instanceof ERR_COGNITO_ANSWER || error instanceof ERR_COGNITO_TIMEOUT

/** @param code of the last lease holder's failure; undefined: it still holds the lease. */
function failureOf (code: string | undefined): Error {
  const cause = new Error(code === undefined
    ? 'timed out waiting for another request to refresh the access token'
    : 'Cognito has just failed another request')
  return code === 'ERR_COGNITO_ANSWER' ? new ERR_COGNITO_ANSWER({ cause }) : new ERR_COGNITO_TIMEOUT({ cause })
}
