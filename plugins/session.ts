import { channel } from 'node:diagnostics_channel'
import type {
  FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, onSendHookHandler, Session
} from 'fastify'
import fp from 'fastify-plugin'
import { sessionStarted, type SessionStarted } from '../src/channels.js'
import { chooseCookie } from '../src/choose-cookie.js'
import { isClientGone } from '../src/client-gone.js'
import { cookieValues } from '../src/cookie-header.js'
import {
  exactly, SESSION_COOKIE_PREFIX as PREFIX, sessionCookie, sessionCookieAge, signedOutCookie, withExpires
} from '../src/cookies.js'
import type { Standing } from '../src/device-bound/device-bound.js'
import { isEmpty } from '../src/empty-session.js'
import { asEndReason, type EndReason } from '../src/end-reason.js'
import { codeOf, ERR_DATABASE, ERR_SESSION_LIMIT } from '../src/errors.js'
import { latest } from '../src/latest.js'
import type { User } from '../src/login/id-token.js'
import { tokensOf, type KeptTokens } from '../src/login/session-tokens.js'
import { applicationData, successorOf, updateApplicationData } from '../src/login/step-up.js'
import { UnconfirmedSignIns } from '../src/login/unconfirmed-sign-ins.js'
import { limitOf } from '../src/session-limit.js'
import {
  rememberingSigner, type EndedSession as SurplusSession, type ReplaceEvents, type SessionData, type SessionLimit,
  type Signer, type StoreUnwritten
} from '../src/sessions/index.js'

/** The sessions of requests, for scopes outside of this package's own. */
export interface RequestSessions {
  /**
   * Adds the hooks that load a session, write it and set its cookie, to `instance` and to all scopes inside of it.
   * Requests without a route get no session.
   */
  addHooks (instance: FastifyInstance): void
  /** As `request.startSession()`. */
  start (request: FastifyRequest, ...args: Parameters<FastifyRequest['startSession']>): Promise<void>
  /** As `request.endSessions()`. */
  end (request: FastifyRequest): Promise<EndedSession[]>
  /** As `request.endReason()`. */
  endReason (request: FastifyRequest): Promise<EndReason>
  /** As `request.sessionEnded()`. */
  ended (request: FastifyRequest): void
}

/** The `Secure-Session-Registration` for the answer that signs in. */
const OFFER = Symbol('offer of a device registration')

/** How a stored session was when it was loaded. A WeakMap with an entry for each request costs garbage collection. */
const LOADED = Symbol('loaded session')

declare module 'fastify' {
  interface FastifyInstance {
    requestSessions: RequestSessions
    /** Set on a scope whose routes load no session. */
    hasNoSessions?: boolean
  }
  interface FastifyContextConfig {
    /**
     * The route only reads the session: with `looksFirst`, `request.seenSession` is set instead of `request.session`
     * where nothing has to be written, which takes half the time.
     */
    readsOnly?: true
  }
  interface FastifyRequest {
    [LOADED]?: LoadedState | null
    [OFFER]?: string | null
    /**
     * The session of the cookie, which the request may not have because it has not shown the session's device: it is
     * a guest's, and nothing of it is kept. Null or undefined otherwise.
     */
    withoutDevice?: WithoutDevice | null
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
     * Whether this request leaves the session's expiry as it is and sets no session cookie, as one that only looks.
     * A session that it changed is written all the same. Default false.
     */
    keepsExpiry: boolean
    /**
     * Why the session that the request's cookie names is not there. `none` also when that cannot be read. Costs a
     * statement, and only where the cookie is validly signed and its session is gone.
     */
    endReason (): Promise<EndReason>
  }
}

export type NewSession = Omit<Partial<Session>, 'cookie'>

/** `isUnbound`: the session is not bound (yet), and has a role that needs it. */
export interface WithoutDevice { session: LibrarySession, isUnbound: boolean }

/** `id`: as in the cookie, or the public id. */
export interface EndedSession { id: string, session: KeptTokens }

type LibrarySession = FastifyRequest['session']

/** A request as it is: the library's types leave out that a session that was destroyed is null. */
interface Holder { session: LibrarySession | null }

/** What is compared with a session at the end of the request, to see whether its cookie is due. */
interface LoadedState { id: string, expiresAt: number | undefined, isCookieCurrent: boolean }

/**
 * A session that was seen live longer ago is looked at again before its cookie is sent without a write, in
 * milliseconds. A request that takes this long costs that statement only if a browser made it.
 */
const SEEN_MS = 100
/** As `set` of the store publishes it. */
const unwritten = channel('cashsouk-auth:store:unwritten')
/** How many expired sessions are remembered as told. */
const MAX_EXPIRED = 1000

/**
 * Decorates the request with `session`, kept in PostgreSQL. A guest costs no row and gets no cookie.
 *
 * One hook ends every request: it writes the session and sets the cookie. A request that is answered with a 5xx
 * writes nothing and sets no cookie. A guest's request does not clear the cookie that another tab has got meanwhile.
 *
 * The cookie is set when it changes: at sign-in, and when it was signed with an older secret. With
 * `COOKIE_LIFETIME=absolute` that is all. With `idle` it lives as long as the row, and is also set
 * - when this request moved the row's expiry;
 * - with every other answer to a browser itself (`Sec-Fetch-Site`), for the rest of the row's life. The answer that
 *   moved the row may have gone to a portal's own server, which forwards the cookie and drops the `Set-Cookie`.
 *
 * A request that was under way when its session ended does not bring the cookie back, as far as it can know. It knows
 * when this process has ended the session, when its own write found no row, and when another instance ended it more
 * than {@link SEEN_MS} before the answer. What is left is an answer that overtakes a sign-out or a sign-in within that
 * time. After a sign-out, the cookie then names no session; after a sign-in, the user has to sign in again.
 *
 * The hooks are added by `requestSessions.addHooks`, because a scope also passes its hooks to the scopes inside of it:
 * those of an application hold for the routes of this package, too.
 *
 * @param options.looksFirst whether routes may do without `request.session` (`readsOnly`). Default false: the hooks of
 *   an application expect it at every route.
 * @throws {ERR_DATABASE} from any request with a session cookie, while the database is unavailable.
 * @see {@link https://github.com/fastify/session#options}
 */
export default fp<{ looksFirst?: boolean }>(async (fastify, { looksFirst = false }) => {
  const { audit, config, deviceBound, hooks, sessionStore: store, sessionViewer } = fastify
  const { name, attributes: own } = sessionCookie(config)
  const pair = `${name}=`
  const attributes = exactly(own)
  const signedOut = signedOutCookie(config)
  const isIdle = config.COOKIE_LIFETIME === 'idle'
  // What it remembers is right for one list of secrets.
  const remembering = latest(() => config.SESSION_SECRET, () => rememberingSigner({
    sign: (id) => fastify.signCookie(id),
    unsign: (cookie) => fastify.unsignCookie(cookie)
  }))
  const signer: Signer = { sign: (id) => remembering().sign(id), unsign: (cookie) => remembering().unsign(cookie) }
  const unconfirmed = new UnconfirmedSignIns(store)
  fastify.addHook('onClose', async () => { await unconfirmed.close() })

  /** The ids of several valid session cookies. */
  const cookieIds = new WeakMap<FastifyRequest, string[]>()
  /** Requests that have ended their session: the cookie goes. */
  const ended = new WeakSet<FastifyRequest>()
  /** Requests whose session has ended, by them or otherwise. */
  const over = new WeakSet<FastifyRequest>()
  /** The ids of expired sessions that `hooks` knows of. */
  const expired = new Set<string>()
  fastify.decorateRequest(LOADED, null)
  fastify.decorateRequest('withoutDevice', null)
  if (deviceBound !== null) fastify.decorateRequest(OFFER, null)

  const load: onRequestHookHandler = function (request, reply, done) {
    // The page of an unknown address, and a probe, must not depend on the database.
    if (request.is404 || request.server.hasNoSessions) {
      done()
      return
    }
    const { cookie = '' } = request.headers
    const isEnough = looksFirst && request.routeOptions.config.readsOnly === true
    const looking = isEnough ? sessionViewer.findUpToDate(cookie) : undefined
    if (looking === undefined) {
      loadSession.call(this, request, reply, done)
      return
    }
    looking.then((seen) => {
      request.seenSession = seen ?? null
      if (seen === undefined) {
        loadSession.call(this, request, reply, done)
        return
      }
      if (seen === null) beGuest(request)
      done()
    }, done)
  }

  const loadSession: onRequestHookHandler = function (request, reply, done) {
    const { cookie = '' } = request.headers
    // An application's @fastify/cookie may parse later, or not at all.
    if ((request.cookies as object | null) === null) request.cookies = fastify.parseCookie(cookie)
    const begin = (): void => {
      library.onRequest.call(this, request, reply, (error) => {
        if (error === undefined && !isWithoutDevice(request)) note(request)
        done(error)
      })
    }
    if (cookie.indexOf(pair) === cookie.lastIndexOf(pair)) begin()
    else useOneCookie(request, cookie).then(begin, done)
  }

  /** Without a statement: that the session is not live has been seen. */
  function beGuest (request: FastifyRequest): void {
    request.cookies = fastify.parseCookie(request.headers.cookie ?? '')
    newSession(request)
  }

  const library = fastify.sessionLibrary({
    cookieName: name,
    cookiePrefix: PREFIX,
    secret: signer,
    saveUninitialized: false,
    rolling: false,
    cookie: { ...own, maxAge: own.maxAge * 1000 }
  })

  /** Makes the request a guest's if its session is bound to a device that it has not shown. */
  function isWithoutDevice (request: FastifyRequest): boolean {
    const { session } = request
    if (!store.isStored(session)) return false
    const standing = standingOf(request, session.sessionId, session as unknown as SessionData)
    if (standing === 'free' || standing === 'bound') return false
    request.withoutDevice = { session, isUnbound: standing === 'unbound' }
    if (standing === 'missing') forget(request, session.sessionId)
    newSession(request)
    return true
  }

  function standingOf (request: FastifyRequest, id: string, session: SessionData): Standing {
    if (deviceBound === null) return 'free'
    return deviceBound.standing(request, {
      id,
      state: deviceBound.sessions.stateOf(session),
      sub: (session.user as User | undefined)?.sub,
      nowMs: store.databaseNow(session) ?? Infinity
    })
  }

  /** A request may not end a session whose device it has not shown, in whatever company its cookie came. */
  function forget (request: FastifyRequest, id: string): void {
    cookieIds.set(request, (cookieIds.get(request) ?? []).filter((known) => known !== id))
  }

  function note (request: FastifyRequest): void {
    const { session, cookies } = request
    if (!store.isStored(session)) return
    // A cookie that was signed with an older secret is valid, and is replaced.
    const isCookieCurrent = cookies[name] === PREFIX + session.encryptedSessionId
    request[LOADED] = { id: session.sessionId, expiresAt: store.expiresAt(session), isCookieCurrent }
  }

  /** In place of @fastify/session's own hook, which hashes the session again and clears cookies of other tabs. */
  const write: onSendHookHandler = (request, reply, _payload, done) => {
    if (reply.statusCode >= 500) dropSessionCookie(reply)
    const finishing = reply.statusCode >= 500 ? undefined : finish(request, reply)
    if (finishing === undefined) done()
    else finishing.then(() => { done() }, done)
  }

  const requestSessions: RequestSessions = {
    start,
    end,
    addHooks (instance) {
      instance.addHook('onRequest', load)
      instance.addHook('onSend', write)
    },
    async endReason (request) {
      if (hasNoDevice(request)) return 'device'
      const cookie = request.cookies[name]
      const id = cookie === undefined ? null : idIn(cookie)
      if (id === null) return 'none'
      const reason = asEndReason(await store.endReason(id).catch(() => null))
      if (reason === 'idle' || reason === 'absolute') tellExpired(id, reason, request)
      return reason
    },
    ended (request) {
      over.add(request)
    }
  }
  fastify.decorate('requestSessions', requestSessions)

  fastify.decorateRequest('keepsExpiry', false)
  fastify.decorateRequest('startSession', async function (this: FastifyRequest, ...args) {
    return start(this, ...args)
  })
  fastify.decorateRequest('endSessions', async function (this: FastifyRequest) { return end(this) })
  fastify.decorateRequest('sessionEnded', function (this: FastifyRequest) { requestSessions.ended(this) })
  fastify.decorateRequest('endReason', async function (this: FastifyRequest) { return requestSessions.endReason(this) })

  async function start (
    request: FastifyRequest,
    ...[content, onEnded, { keepsData = false } = {}]: Parameters<FastifyRequest['startSession']>
  ): Promise<void> {
    const { session: former } = request
    const kept = keepsData ? applicationData(former) : {}
    const formerIds = idsOf(request)
    const started = newSession(request)
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
          const latest = found[formerIds.indexOf(former.sessionId)] ?? await successor(former, started, surplus)
          updateApplicationData(started, kept, applicationData(latest ?? {}))
        }
      }
    } catch (error) {
      request.session = former
      if (error instanceof ERR_DATABASE) {
        const known = former !== null && store.isStored(former) ? former : undefined
        settleLater(request, id, known && {
          id: known.sessionId, onEnded: () => { onEnded([{ id: known.sessionId, session: known }]) }
        })
      }
      throw error
    }
    // Its cookie reaches no browser.
    if (isClientGone(request)) settleLater(request, id)
    ended.delete(request)
    over.delete(request)
    request.withoutDevice = null
    if (offer !== undefined) request[OFFER] = offer.header
    if (sessionStarted.hasSubscribers) {
      sessionStarted.publish({ scope: fastify, request, isStepUp: keepsData } satisfies SessionStarted)
    }
    onEnded(endedSessions)
  }

  /** The session of this browser and user that goes on in the place of `former`, which has ended. */
  async function successor (
    former: LibrarySession, started: LibrarySession, surplus: readonly SurplusSession[]
  ): Promise<SessionData | undefined> {
    const listed = await store.listByUser(former.user?.sub ?? '')
    const others = [...surplus, ...listed].filter(({ id }) => id !== store.publicId(started))
    return successorOf(former, others.map(({ session }) => session))
  }

  async function end (request: FastifyRequest): Promise<EndedSession[]> {
    const ids = idsOf(request)
    const found = await Promise.all(ids.map((id) =>
      store.consume(id, {
        reason: 'signed_out' satisfies EndReason,
        ...(audit === undefined ? {} : { events: [audit.event(request, 'sign_out', { actor: 'user' })] })
      })))
    Object.assign(request, { session: null })
    ended.add(request)
    over.add(request)
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
   * Writes the session, or moves its expiry when that is due, and sets or clears the cookie. Most requests have
   * nothing to wait for.
   */
  function finish (request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined {
    const { session }: Holder = request
    if (ended.has(request)) clearCookies(reply)
    // A new value each time, so that every sign-out changes the cookie.
    if (over.has(request)) void reply.setCookie(signedOut.name, Date.now().toString(36), exactly(signedOut.attributes))
    if (session === null || hasNoDevice(request)) return undefined
    if (!store.isStored(session) && isEmpty(session)) return undefined
    if (deviceBound !== null) offerRegistration(deviceBound, request, reply)
    if (request.keepsExpiry && !session.isModified()) return undefined
    if (!store.isUpToDate(session.sessionId, session)) return save(request, reply, session)
    if (unwritten.hasSubscribers) unwritten.publish({ store } satisfies StoreUnwritten)
    return isCookieDue(request, session) ? sendCookie(request, reply, session) : undefined
  }

  /** The browser then asks for the other cookie, and learns that the session is over. */
  function clearCookies (reply: FastifyReply): void {
    void reply.clearCookie(name, attributes)
    if (deviceBound === null) return
    const { cookie } = deviceBound.sessions
    void reply.clearCookie(cookie.name, exactly(cookie.attributes))
  }

  /** With the answer that signs in. */
  function offerRegistration (
    { sessions }: NonNullable<typeof deviceBound>, request: FastifyRequest, reply: FastifyReply
  ): void {
    const { session, [OFFER]: offer } = request
    if (typeof offer !== 'string') return
    request[OFFER] = null
    const { name, value, attributes } = sessions.provisionalCookie(session.sessionId, store.databaseNow(session) ?? 0)
    void reply.header('secure-session-registration', offer).setCookie(name, value, exactly(attributes))
  }

  async function save (request: FastifyRequest, reply: FastifyReply, session: LibrarySession): Promise<void> {
    try {
      await store.promises.set(session.sessionId, session)
    } catch (error) {
      if (session.isModified()) throw error
      request.log.warn({ code: codeOf(error) }, 'The expiry of a session could not be moved')
    }
    if (store.isStored(session)) await sendCookie(request, reply, session)
  }

  /** Whether the session is another than the one that the request's cookie names. */
  function isNew ({ [LOADED]: loaded }: FastifyRequest, session: LibrarySession): boolean {
    return loaded?.id !== session.sessionId
  }

  /** Whether the row's expiry is another than when the session was loaded. */
  function isWritten (request: FastifyRequest, session: LibrarySession): boolean {
    return isNew(request, session) || request[LOADED]?.expiresAt !== store.expiresAt(session)
  }

  function isCookieDue (request: FastifyRequest, session: LibrarySession): boolean {
    if (isNew(request, session) || request[LOADED]?.isCookieCurrent !== true) return true
    return isIdle && (request.headers['sec-fetch-site'] !== undefined || isWritten(request, session))
  }

  /** Sets the cookie if it is due and the session has not ended meanwhile. */
  async function sendCookie (request: FastifyRequest, reply: FastifyReply, session: LibrarySession): Promise<void> {
    if (!isCookieDue(request, session)) return
    const seen = isNew(request, session) ? session : await seenLive(session)
    if (seen === null) return
    const maxAge = sessionCookieAge(config, {
      nowMs: store.databaseNow(seen) ?? 0,
      createdMs: store.createdAt(seen) ?? 0,
      expireMs: store.expiresAt(seen) ?? 0,
      isWritten: isWritten(request, session)
    })
    if (maxAge === 0) return
    void reply.setCookie(name, PREFIX + session.encryptedSessionId, withExpires({ ...attributes, maxAge }))
  }

  /** The session as it was seen live just now; null when it has ended, or that cannot be read. */
  async function seenLive (session: LibrarySession): Promise<object | null> {
    if (store.msSinceSeen(session) <= SEEN_MS) return session
    return store.promises.get(session.sessionId).catch(() => null)
  }

  /** Takes the session cookie out of an answer that had already got it. */
  function dropSessionCookie (reply: FastifyReply): void {
    const lines = [reply.getHeader('set-cookie') ?? []].flat().map(String)
    const others = lines.filter((line) => !line.startsWith(`${name}=`))
    if (others.length === lines.length) return
    reply.removeHeader('set-cookie')
    if (others.length > 0) reply.header('set-cookie', others)
  }

  /**
   * The ids of the sessions that the request's cookies name, and of its present session. One that still waits for its
   * device is among them: nothing can bind it after a sign-out.
   */
  function idsOf (request: FastifyRequest): string[] {
    const { session, withoutDevice }: Holder & Pick<FastifyRequest, 'withoutDevice'> = request
    const own = session !== null && store.isStored(session) ? [session.sessionId] : []
    const waiting = withoutDevice?.isUnbound === true ? [withoutDevice.session.sessionId] : []
    return [...new Set([...cookieIds.get(request) ?? [], ...own, ...waiting])]
  }

  /** Gives the request a new, empty session, without a statement: as for a cookie whose signature is not valid. */
  function newSession (request: FastifyRequest): LibrarySession {
    library.decryptSession('', request, () => {})
    return request.session
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

  /** Without a choice the request is a guest's, and the next sign-in ends all of its sessions. */
  async function useOneCookie (request: FastifyRequest, header: string): Promise<void> {
    const values = [...new Set(cookieValues(header, name))]
    if (values.length < 2) return
    const missing = new Set<string>()
    const { ids, chosen } = await chooseCookie(values, idIn, async (id) => {
      const session = await store.promises.get(id)
      const isMissing = session !== null && standingOf(request, id, session) === 'missing'
      if (isMissing) missing.add(id)
      return session !== null && !isMissing
    })
    cookieIds.set(request, ids.filter((id) => !missing.has(id)))
    request.cookies[name] = chosen
  }

  /** The id that a session cookie holds; null when its signature is not valid. */
  function idIn (cookie: string): string | null {
    return cookie.startsWith(PREFIX) ? signer.unsign(cookie.slice(PREFIX.length)).value : null
  }
}, {
  name: 'session',
  fastify: '5.x',
  dependencies: [
    'audit', 'config', 'device-bound', 'hooks', 'cookies', 'session-library', 'session-store', 'session-viewer'
  ]
})

/** Requests of an application's scope lack the decorator. */
const hasNoDevice = ({ withoutDevice }: FastifyRequest): boolean => (withoutDevice ?? null) !== null

/** Pairs sessions that ended with their ids, and leaves out those that were not live. */
function withIds (ids: readonly string[], sessions: readonly (SessionData | null)[]): EndedSession[] {
  return ids.flatMap((id, index) => {
    const session = sessions[index]
    return session === undefined || session === null ? [] : [{ id, session: tokensOf(session) }]
  })
}
