import { channel } from 'node:diagnostics_channel'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { chooseCookie } from '../src/choose-cookie.js'
import { cookieValues } from '../src/cookie-header.js'
import {
  exactly, SESSION_COOKIE_PREFIX as PREFIX, sessionCookie, sessionCookieAge, signedOutCookie, withExpires
} from '../src/cookies.js'
import type { Standing } from '../src/device-bound/device-bound.js'
import { isEmpty } from '../src/empty-session.js'
import { codeOf } from '../src/errors.js'
import { latest } from '../src/latest.js'
import type { User } from '../src/login/id-token.js'
import { rememberingSigner, type SessionData, type Signer, type StoreUnwritten } from '../src/sessions/index.js'

/** The session of a request, for the plugins that use and change it. */
export interface RequestSessions {
  /**
   * Adds the hooks that load a session, write it and set its cookie, to `instance` and to all scopes inside of it.
   * Requests without a route get no session.
   */
  addHooks (instance: FastifyInstance): void
  /** Gives the request a new, empty session, without a statement: as for a cookie whose signature is not valid. */
  renew (request: FastifyRequest): LibrarySession
  /**
   * The ids of the sessions that the request's cookies name, and of its present session. One that still waits for its
   * device is among them: nothing can bind it after a sign-out.
   */
  idsOf (request: FastifyRequest): string[]
  /** The id in the request's session cookie; null without a valid one. */
  idOf (request: FastifyRequest): string | null
  /**
   * Says that the request's session is a new one, which the browser gets a cookie of.
   *
   * @param offer the header that offers to bind it to a device.
   */
  markStarted (request: FastifyRequest, offer: string | undefined): void
  /** Says that the session has ended, by this request or otherwise: the browser forgets its pages. */
  markOver (request: FastifyRequest): void
  /** Says that the request has ended its session: the cookie goes as well. */
  markEnded (request: FastifyRequest): void
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
    /** With `looksFirst`, `request.session` is null where the browser has sent no session cookie. */
    needsNoGuest?: true
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
     * Whether this request leaves the session's expiry as it is and sets no session cookie, as one that only looks.
     * A session that it changed is written all the same. Default false.
     */
    keepsExpiry: boolean
  }
}

/** `isUnbound`: the session is not bound (yet), and has a role that needs it. */
export interface WithoutDevice { session: LibrarySession, isUnbound: boolean }

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
  const { config, deviceBound, sessionStore: store, sessionViewer } = fastify
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

  /** The ids of several valid session cookies. */
  const cookieIds = new WeakMap<FastifyRequest, string[]>()
  /** Requests that have ended their session: the cookie goes. */
  const ended = new WeakSet<FastifyRequest>()
  /** Requests whose session has ended, by them or otherwise. */
  const over = new WeakSet<FastifyRequest>()
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
    const { readsOnly, needsNoGuest } = request.routeOptions.config
    if (looksFirst && needsNoGuest === true && !cookie.includes(pair)) {
      done()
      return
    }
    const isEnough = looksFirst && readsOnly === true
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

  fastify.decorateRequest('keepsExpiry', false)
  fastify.decorate('requestSessions', {
    addHooks (instance) {
      instance.addHook('onRequest', load)
      instance.addHook('onSend', write)
    },
    renew: newSession,
    idsOf,
    idOf ({ cookies }) {
      const cookie = cookies[name]
      return cookie === undefined ? null : idIn(cookie)
    },
    markStarted (request, offer) {
      ended.delete(request)
      over.delete(request)
      request.withoutDevice = null
      if (offer !== undefined) request[OFFER] = offer
    },
    markOver (request) {
      over.add(request)
    },
    markEnded (request) {
      ended.add(request)
      over.add(request)
    }
  })

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
    const seen = isNew(request, session) ? inserted(session) : await seenLive(session)
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

  /** A new session; null if a later write has found that it is gone: another sign-in of this browser has ended it. */
  const inserted = (session: LibrarySession): object | null =>
    store.msSinceSeen(session) === Infinity ? null : session

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

  function idsOf (request: FastifyRequest): string[] {
    const { session, withoutDevice }: Holder & Pick<FastifyRequest, 'withoutDevice'> = request
    const own = session !== null && store.isStored(session) ? [session.sessionId] : []
    const waiting = withoutDevice?.isUnbound === true ? [withoutDevice.session.sessionId] : []
    return [...new Set([...cookieIds.get(request) ?? [], ...own, ...waiting])]
  }

  function newSession (request: FastifyRequest): LibrarySession {
    library.decryptSession('', request, () => {})
    return request.session
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
    'config', 'device-bound', 'cookies', 'session-library', 'session-store', 'session-viewer'
  ]
})

/** Requests of an application's scope lack the decorator. */
const hasNoDevice = ({ withoutDevice }: FastifyRequest): boolean => (withoutDevice ?? null) !== null
