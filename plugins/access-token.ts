import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { FastifyBaseLogger, FastifyRequest, Session } from 'fastify'
import fp from 'fastify-plugin'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_ID_TOKEN, ERR_LOGIN_REFUSED, ERR_UNAUTHENTICATED } from '../src/errors.js'
import { grantedRoles } from '../src/login/roles.js'
import type { AccessToken, Tokens } from '../src/login/session-tokens.js'
import type { Lease } from '../src/sessions/index.js'
import type { SessionData } from '../src/sessions/serialise.js'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * An access token of whoever is signed in, for the application's own calls: renewed when it is about to end,
     * by one process at a time for one session. With it the user's groups are read anew: `request.session.roles`
     * is then what it is now, and a session whose role is no longer granted has ended.
     *
     * @throws {ERR_UNAUTHENTICATED} 401 for a guest, and when Cognito refuses to renew: then the session has ended.
     * @throws {ERR_COGNITO_ANSWER} 502 {ERR_COGNITO_TIMEOUT} 504 when the old one has ended and there is no new one yet.
     * @throws {ERR_DATABASE} 503
     */
    accessToken (): Promise<string>
  }
}

/** A turn ends by itself after this time: longer than it takes to read the session and to hear of Cognito. In milliseconds, as all of these. */
const TURN_MS = 15_000
/** How long others wait for the one whose turn it is, with no access token and with one that still holds. */
const PATIENCE_MS = 8000
const PATIENCE_WITH_TOKEN_MS = 2000
const POLL_MS = 100
/** When Cognito has failed, nobody asks again for this long. */
const PAUSE_MS = 2000

/** A signed-in session as it stands in its row. */
type SignedIn = SessionData & Pick<Session, 'createdAt' | 'refreshToken' | 'accessToken'> & Required<Pick<Session, 'user' | 'role'>>

/** Decorates the request with `accessToken()`. */
export default fp(async (fastify) => {
  const { cognito, config, sessionStore: store, tokens } = fastify
  const get = promisify(store.get.bind(store))
  const set = promisify(store.set.bind(store))
  /** Renewals under way in this process, by session id. */
  const renewals = new Map<string, Promise<string>>()

  fastify.decorateRequest('accessToken', async function (this: FastifyRequest) {
    const { session, log } = this
    if (session.user === undefined || !store.isStored(session)) throw new ERR_UNAUTHENTICATED()
    const { sessionId: id } = session
    const current = held(session as unknown as SignedIn, id)
    if (current !== undefined && !current.isDue) return current.token

    let renewal = renewals.get(id)
    if (renewal === undefined) {
      renewal = renew(id, log).finally(() => { renewals.delete(id) })
      renewals.set(id, renewal)
    }
    const token = await renewal
    // What this request has changed must not be lost; it is merged with the row at the end.
    if (session.isModified()) return token
    await session.reload()
    if (!store.isStored(this.session)) throw new ERR_UNAUTHENTICATED()
    return token
  })

  /** The access token of the session, renewed by whoever's turn it is. */
  async function renew (id: string, log: FastifyBaseLogger): Promise<string> {
    const start = performance.now()
    for (;;) {
      const turn = await store.acquireLease(id, TURN_MS)
      if (turn.acquired) return renewInTurn(turn, id, log)
      const current = held(await read(id), id)
      if (current !== undefined && !current.isDue) return current.token
      const waited = performance.now() - start
      if (turn.failed !== undefined || waited > (current === undefined ? PATIENCE_MS : PATIENCE_WITH_TOKEN_MS)) {
        if (current !== undefined) return current.token
        const cause = new Error(turn.failed === undefined ? 'another request renews the access token, and takes too long' : 'Cognito has just failed another request')
        throw turn.failed === 'ERR_COGNITO_ANSWER' ? new ERR_COGNITO_ANSWER({ cause }) : new ERR_COGNITO_TIMEOUT({ cause })
      }
      await sleep(POLL_MS)
    }
  }

  async function renewInTurn (turn: Lease, id: string, log: FastifyBaseLogger): Promise<string> {
    let failure: string | undefined
    try {
      const session = await read(id)
      const current = held(session, id)
      if (current !== undefined && !current.isDue) return current.token // somebody else's turn was just before
      try {
        return await refresh(id, session, log)
      } catch (error) {
        if (!isTrouble(error)) throw error
        failure = error.code
        const still = held(session, id)
        if (still === undefined) throw error
        return still.token
      }
    } finally {
      // If it cannot be said, the turn ends by itself.
      await (failure === undefined ? turn.release() : turn.fail(failure, PAUSE_MS)).catch(() => {})
    }
  }

  async function refresh (id: string, session: SignedIn, log: FastifyBaseLogger): Promise<string> {
    const refreshToken = tokens.sealed.refreshToken(session, id)
    if (refreshToken === undefined) throw new ERR_UNAUTHENTICATED()
    const issued = await ask(refreshToken, log)
    if (issued === undefined) return refused(id, refreshToken, log)
    const { accessToken } = issued
    if (accessToken === undefined) throw new ERR_COGNITO_ANSWER({ cause: new Error('no access_token in the token response') })
    const { user, groups } = await identify(id, session, issued, log)
    const roles = grantedRoles(groups, config)
    if (!roles.includes(session.role)) {
      await store.consume(id)
      await tokens.revoke(log, issued.refreshToken ?? refreshToken)
      log.info('A session was ended: its role is no longer granted')
      throw new ERR_UNAUTHENTICATED()
    }
    await write(id, session, { user, roles, ...tokens.sealed.seal(issued, id, store.databaseNow(session)) })
    // A sign-out meanwhile wins: nothing was written then, and it has revoked only what it knew.
    if (await get(id) === null) {
      await tokens.revoke(log, issued.refreshToken)
      throw new ERR_UNAUTHENTICATED()
    }
    return accessToken.token
  }

  /** New tokens; undefined when Cognito takes the refresh token no more. */
  async function ask (refreshToken: string, log: FastifyBaseLogger): Promise<Tokens | undefined> {
    const start = performance.now()
    let outcome = 'ok'
    try {
      return await cognito.refresh(refreshToken)
    } catch (error) {
      outcome = (error as { code?: string }).code ?? 'ERR_INTERNAL'
      if (error instanceof ERR_LOGIN_REFUSED) return undefined
      throw error
    } finally {
      log.info({ outcome, durationMs: Math.round(performance.now() - start) }, 'Token refresh')
    }
  }

  /** Ends the session, unless it has got another refresh token meanwhile: then ours was only late. */
  async function refused (id: string, refreshToken: string, log: FastifyBaseLogger): Promise<string> {
    const session = await read(id)
    const current = held(session, id)
    if (current !== undefined && tokens.sealed.refreshToken(session, id) !== refreshToken) return current.token
    await store.consume(id)
    log.info('A session was ended: Cognito no longer takes its refresh token')
    throw new ERR_UNAUTHENTICATED()
  }

  /** Who the new tokens are about. An ID token that does not hold is Cognito's fault, not the user's. */
  async function identify (id: string, session: SignedIn, { idToken, refreshToken }: Tokens, log: FastifyBaseLogger) {
    try {
      return await cognito.verifyRefreshedIdToken(idToken, session.user)
    } catch (error) {
      if (error instanceof ERR_ID_TOKEN) {
        await tokens.revoke(log, refreshToken)
        throw new ERR_COGNITO_ANSWER({ cause: (error as Error).cause })
      }
      // The keys cannot be had now. A refresh token that has taken the place of ours is needed next time.
      if (refreshToken !== undefined) await write(id, session, tokens.sealed.seal({ idToken, refreshToken }, id))
      throw error
    }
  }

  const held = (session: SignedIn, id: string): AccessToken | undefined =>
    tokens.sealed.accessToken(session, id, store.databaseNow(session) ?? Infinity)

  /** @throws {ERR_UNAUTHENTICATED} when the session has ended. */
  async function read (id: string): Promise<SignedIn> {
    const session = await get(id)
    if (session?.user === undefined) throw new ERR_UNAUTHENTICATED()
    return session as SignedIn
  }

  /** As a use of the session: otherwise what others have added to its life meanwhile would be taken away. */
  async function write (id: string, session: SignedIn, changes: Partial<Session>): Promise<void> {
    await set(id, { ...session, ...changes, cookie: { ...session.cookie, expires: new Date(Date.now() + config.SESSION_TTL * 1000) } })
  }
}, { name: 'access-token', fastify: '5.x', dependencies: ['config', 'session-store', 'session', 'cognito', 'tokens'] })

/** Whether Cognito is to blame, so that the same may succeed later. */
const isTrouble = (error: unknown): error is { code: string } => error instanceof ERR_COGNITO_ANSWER || error instanceof ERR_COGNITO_TIMEOUT
