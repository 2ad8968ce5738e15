import type { FastifyRequest, Session } from 'fastify'
import fp from 'fastify-plugin'
import { sessionStarted, type SessionStarted } from '../src/channels.js'
import { isClientGone } from '../src/client-gone.js'
import { asEndReason, type EndReason } from '../src/end-reason.js'
import { isEmpty } from '../src/empty-session.js'
import { codeOf, ERR_DATABASE, ERR_SESSION_LIMIT } from '../src/errors.js'
import type { User } from '../src/login/id-token.js'
import { tokensOf, type KeptTokens } from '../src/login/session-tokens.js'
import { applicationData, successorOf, updateApplicationData } from '../src/login/step-up.js'
import { UnconfirmedSignIns } from '../src/login/unconfirmed-sign-ins.js'
import { limitOf } from '../src/session-limit.js'
import type {
  EndedSession as SurplusSession, ReplaceEvents, SessionData, SessionLimit
} from '../src/sessions/index.js'

/** The sessions of requests, for scopes outside of this package's own. */
export interface SessionChanges {
  /** As `request.startSession()`. */
  start (request: FastifyRequest, ...args: Parameters<FastifyRequest['startSession']>): Promise<void>
  /** As `request.endSessions()`. */
  end (request: FastifyRequest): Promise<EndedSession[]>
  /** As `request.endReason()`. */
  endReason (request: FastifyRequest): Promise<EndReason>
  /** As `request.sessionEnded()`. */
  ended (request: FastifyRequest): void
}

declare module 'fastify' {
  interface FastifyInstance {
    sessionChanges: SessionChanges
  }
  interface FastifyRequest {
    /**
     * Makes `request.session` a new session with a new id, and ends every session that this browser's cookies name.
     * One statement does both, and ends what is beyond `SESSION_LIMIT`.
     *
     * @param content of the new session, given its id.
     * @param options.keepsData the new session also holds what the application keeps in the present one.
     * @param onEnded called with the sessions that ended: before this resolves, or, when the database's answer was
     *   lost, later and only if they have ended. Must not throw.
     * @throws {ERR_DATABASE} {ERR_SESSION_VALUE} {ERR_SESSION_LIMIT} Then `request.session` is the former one.
     */
    startSession (
      content: (sessionId: string) => NewSession,
      onEnded: (ended: EndedSession[]) => void,
      options?: { keepsData?: boolean }
    ): Promise<void>
    /**
     * Ends every session that this browser's cookies name, and clears the cookie with the answer. `request.session`
     * is null afterwards. Pages of those sessions leave the browser's memory (`signedOutCookie`).
     *
     * @returns the tokens that the sessions held at that moment.
     * @throws {ERR_DATABASE} Then `request.session` and the cookie stay.
     */
    endSessions (): Promise<EndedSession[]>
    /**
     * Says that this request's session has ended otherwise: its pages leave the browser's memory (`signedOutCookie`).
     * The session cookie stays, because another tab may have got a new one meanwhile.
     */
    sessionEnded (): void
    /**
     * Why the session that the request's cookie names is not there. `none` also when that cannot be read. Costs a
     * statement, and only where the cookie is validly signed and its session is gone.
     */
    endReason (): Promise<EndReason>
  }
}

export type NewSession = Omit<Partial<Session>, 'cookie'>

/** `id`: as in the cookie, or the public id. */
export interface EndedSession { id: string, session: KeptTokens }

type LibrarySession = FastifyRequest['session']

/** How many expired sessions are remembered as told. */
const MAX_EXPIRED = 1000

/**
 * Decorates the request with what starts and ends sessions. What the browser gets of it is up to the plugin `session`.
 *
 * @param options.reusesGuests whether an empty session of a guest may become the one that signs in. Default false.
 */
export default fp<{ reusesGuests?: boolean }>(async (fastify, { reusesGuests = false }) => {
  const { audit, config, deviceBound, hooks, requestSessions, sessionStore: store } = fastify
  const unconfirmed = new UnconfirmedSignIns(store)
  fastify.addHook('onClose', async () => { await unconfirmed.close() })
  /** The ids of expired sessions that `hooks` knows of. */
  const expired = new Set<string>()

  const sessionChanges: SessionChanges = {
    start,
    end,
    async endReason (request) {
      if ((request.withoutDevice ?? null) !== null) return 'device'
      const id = requestSessions.idOf(request)
      if (id === null) return 'none'
      const reason = asEndReason(await store.endReason(id).catch(() => null))
      if (reason === 'idle' || reason === 'absolute') tellExpired(id, reason, request)
      return reason
    },
    ended (request) {
      requestSessions.markOver(request)
    }
  }
  fastify.decorate('sessionChanges', sessionChanges)

  fastify.decorateRequest('startSession', async function (this: FastifyRequest, ...args) {
    return start(this, ...args)
  })
  fastify.decorateRequest('endSessions', async function (this: FastifyRequest) { return end(this) })
  fastify.decorateRequest('sessionEnded', function (this: FastifyRequest) { sessionChanges.ended(this) })
  fastify.decorateRequest('endReason', async function (this: FastifyRequest) { return sessionChanges.endReason(this) })

  async function start (
    request: FastifyRequest,
    ...[content, onEnded, { keepsData = false } = {}]: Parameters<FastifyRequest['startSession']>
  ): Promise<void> {
    const { session: former } = request
    // As it is by now: the provider was asked meanwhile.
    const kept = keepsData ? applicationData(await presentOf(former) ?? {}) : {}
    const formerIds = requestSessions.idsOf(request)
    // A guest's session has an id that no one has seen. An application may have changed its cookie.
    const isUnused = reusesGuests && (former as object | null) !== null && !store.isStored(former) && isEmpty(former)
    const started = isUnused ? former : requestSessions.renew(request)
    const id = started.sessionId
    const offer = deviceBound?.sessions.offer(id)
    let endedSessions: EndedSession[] = []
    try {
      Object.assign(started, kept, content(id), offer?.content)
      const limit = limitOf(config, started)
      // Without a former session, the row is inserted together with those of other requests.
      if (formerIds.length === 0 && limit === undefined && audit === undefined) await store.promises.set(id, started)
      else {
        const events = eventsOf(request, keepsData)
        const { found, surplus } = await replaceSessions(id, started, formerIds, { limit, events })
        const beyond = surplus.map(({ id, session }) => ({ id, session: tokensOf(session) }))
        endedSessions = [...withIds(formerIds, found), ...beyond]
        if (!keepsData) tellEnded('replaced', found, request)
        tellEnded('replaced', surplus.map(({ session }) => session), request)
        // Another request may have changed the former session since this one loaded it, or ended it.
        if (keepsData) {
          const latest = found[formerIds.indexOf(former.sessionId)]
          const data = applicationData(latest ?? await successor(former, surplus, started) ?? {})
          await takeOver(request, started, { kept, data, mayFail: latest !== null && latest !== undefined })
        }
      }
    } catch (error) {
      if (isUnused) requestSessions.renew(request)
      else request.session = former
      if (error instanceof ERR_DATABASE) {
        const known = former !== null && store.isStored(former) && !isUnused ? former : undefined
        settleLater(request, id, known && {
          id: known.sessionId, onEnded: () => { onEnded([{ id: known.sessionId, session: known }]) }
        })
      }
      throw error
    }
    // Its cookie reaches no browser.
    if (isClientGone(request)) settleLater(request, id)
    requestSessions.markStarted(request, offer?.header)
    if (sessionStarted.hasSubscribers) {
      sessionStarted.publish({ scope: fastify, request, isStepUp: keepsData } satisfies SessionStarted)
    }
    onEnded(endedSessions)
  }

  /**
   * Gives the new session the application's data as it is by now.
   *
   * @param mayFail whether the sign-in holds without what has changed. Data of a session that has ended must go.
   */
  async function takeOver (
    request: FastifyRequest, started: LibrarySession,
    { kept, data, mayFail }: { kept: Record<string, unknown>, data: Record<string, unknown>, mayFail: boolean }
  ): Promise<void> {
    updateApplicationData(started, kept, data)
    try {
      await store.promises.set(started.sessionId, started)
    } catch (error) {
      if (!mayFail) throw error
      request.log.warn({ code: codeOf(error) }, 'What a session got during a step-up could not be kept')
      updateApplicationData(started, data, kept)
    }
  }

  /** The session as it is in the table, or the one that goes on in its place. */
  async function presentOf (former: LibrarySession): Promise<SessionData | undefined> {
    return await store.promises.get(former.sessionId) ?? successor(former, [])
  }

  /** The session of this browser and user that goes on in the place of `former`, which has ended. */
  async function successor (
    former: LibrarySession, surplus: readonly SurplusSession[], started?: LibrarySession
  ): Promise<SessionData | undefined> {
    const own = started === undefined ? undefined : store.publicId(started)
    const others = [...surplus, ...await store.listByUser(former.user?.sub ?? '')].filter(({ id }) => id !== own)
    return successorOf(former, others.map(({ session }) => session))
  }

  async function end (request: FastifyRequest): Promise<EndedSession[]> {
    const ids = requestSessions.idsOf(request)
    const found = await Promise.all(ids.map((id) =>
      store.consume(id, {
        reason: 'signed_out' satisfies EndReason,
        ...(audit === undefined ? {} : { events: [audit.event(request, 'sign_out', { actor: 'user' })] })
      })))
    Object.assign(request, { session: null })
    requestSessions.markEnded(request)
    tellEnded('signed_out', found, request)
    return withIds(ids, found)
  }

  /** What a sign-in records. A session that a step-up goes on under another id has ended, too. */
  function eventsOf (request: FastifyRequest, isStepUp: boolean): ReplaceEvents | undefined {
    return audit === undefined
      ? undefined
      : {
          started: audit.event(request, isStepUp ? 'step_up' : 'sign_in'),
          replaced: audit.event(request, 'ended', { actor: 'user', reason: isStepUp ? 'step_up' : 'replaced' }),
          surplus: audit.event(request, 'ended', { actor: 'server', reason: 'limit' })
        }
  }

  /** @throws {ERR_SESSION_LIMIT} */
  async function replaceSessions (
    id: string, started: LibrarySession, formerIds: string[],
    { limit, events }: { limit: SessionLimit | undefined, events: ReplaceEvents | undefined }
  ): Promise<{ found: (SessionData | null)[], surplus: SurplusSession[] }> {
    if (limit === undefined) return { found: await store.replace(id, started, formerIds, { events }), surplus: [] }
    const { isRefused, ended, surplus } = await store.replaceWithin(limit, id, started, formerIds, { events })
    if (isRefused) throw new ERR_SESSION_LIMIT()
    return { found: ended, surplus }
  }

  /**
   * Ends a new session that may be there and that no browser knows: after a statement that failed, which may have been
   * committed all the same, or without a client.
   */
  function settleLater (request: FastifyRequest, id: string, former?: { id: string, onEnded: () => void }): void {
    unconfirmed.settle({
      id,
      formerId: former?.id,
      events: audit && [audit.event(request, 'ended', { actor: 'server', reason: 'unconfirmed' })],
      onFormerEnded: () => { former?.onEnded() }
    })
  }

  function tellEnded (
    reason: 'signed_out' | 'replaced', sessions: readonly (SessionData | null)[], request: FastifyRequest
  ): void {
    for (const ended of sessions) {
      const user = ended?.user as User | undefined
      if (user !== undefined) hooks.ended(reason, user, request)
    }
  }

  /** Once for each session, although its browser may ask more often. */
  function tellExpired (id: string, reason: 'idle' | 'absolute', request: FastifyRequest): void {
    if (expired.has(id)) return
    if (expired.size >= MAX_EXPIRED) expired.clear()
    expired.add(id)
    hooks.ended(reason, undefined, request)
  }
}, {
  name: 'session-changes',
  fastify: '5.x',
  dependencies: ['audit', 'config', 'device-bound', 'hooks', 'session', 'session-store']
})

/** Pairs sessions that ended with their ids, and leaves out those that were not live. */
function withIds (ids: readonly string[], sessions: readonly (SessionData | null)[]): EndedSession[] {
  return ids.flatMap((id, index) => {
    const session = sessions[index]
    return session === undefined || session === null ? [] : [{ id, session: tokensOf(session) }]
  })
}
