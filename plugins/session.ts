import { promisify } from 'node:util'
import session from '@fastify/session'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { cookieValues } from '../src/cookie-header.js'
import type { User } from '../src/login/id-token.js'
import type { KeptAccessToken, KeptTokens } from '../src/login/session-tokens.js'
import { loadedRow } from '../src/sessions/loaded.js'
import type { SessionData } from '../src/sessions/serialise.js'
import { rememberingSigner } from '../src/sessions/signer.js'
import type { PgSessionStore } from '../src/sessions/store.js'

declare module 'fastify' {
  interface Session {
    /** Who is signed in; absent for a guest. */
    user?: User
    /** The role that was asked for at sign-in, and granted. */
    role?: string
    /** All roles the user has. */
    roles?: string[]
    /** Milliseconds since 1970 on the database's clock. */
    createdAt?: number
    /** Cognito's refresh token, sealed: kept to renew the access token, and to revoke it at sign-out. */
    refreshToken?: string
    /** Cognito's access token, sealed: kept for `request.accessToken()`. */
    accessToken?: KeptAccessToken
  }
  interface FastifyRequest {
    /**
     * Ends every session that this browser's cookies name, on the server, and resolves to what they held, as
     * it was at that very moment. `request.session` and the cookie are the caller's to replace.
     *
     * @throws {ERR_DATABASE}
     */
    endSessions (): Promise<EndedSession[]>
    /** What this browser's session was when the request came. */
    sessionAtStart: SessionAtStart | null
    /** The ids of several valid session cookies; null when there is at most one. */
    sessionIds: string[] | null
  }
}

export interface EndedSession { id: string, session: SessionData & KeptTokens }

interface SessionAtStart { id: string, expiresAt: number | undefined, isCookieCurrent: boolean }

/** What express-session puts before a signed id. */
const PREFIX = 's:'
/** Valid session cookies of which the live one is looked for. More of them come from nobody but an attacker. */
const MAX_COOKIES = 5

/**
 * Decorates the request with `session`, kept in PostgreSQL. A guest costs no row and gets no cookie.
 *
 * The cookie goes out exactly when the row's expiry was written: so it lives as long as the row, a request
 * that was under way when its session ended does not bring it back, and one that came as a guest does not
 * take away the cookie that another tab has got meanwhile.
 *
 * Registered only around the routes that use sessions: the others cost no query.
 *
 * @throws {ERR_DATABASE} from any request that carries a session cookie, while the database is away.
 * @see {@link https://github.com/fastify/session#options}
 */
export default fp(async (fastify) => {
  const { COOKIE_NAME, COOKIE_DOMAIN, PUBLIC_URL, SESSION_TTL } = fastify.config
  const store = fastify.sessionStore
  const secure = PUBLIC_URL.startsWith('https:')
  const attributes = {
    path: '/', httpOnly: true, sameSite: 'lax', secure, ...(COOKIE_DOMAIN === undefined ? {} : { domain: COOKIE_DOMAIN })
  } as const
  const signer = rememberingSigner({ sign: (id) => fastify.signCookie(id), unsign: (cookie) => fastify.unsignCookie(cookie) })

  // TLS often ends at the balancer; browsers reach us over PUBLIC_URL's scheme, and @fastify/session
  // silently drops a secure cookie when the request does not seem to be https.
  if (secure) {
    fastify.addHook('onRequest', async (request) => {
      Object.defineProperty(request, 'protocol', { value: 'https' })
    })
  }

  fastify.decorateRequest('sessionIds', null)
  fastify.decorateRequest('sessionAtStart', null)
  fastify.decorateRequest('endSessions', async function (this: FastifyRequest) {
    const ids = this.sessionIds ?? (store.isStored(this.session) ? [this.session.sessionId] : [])
    const ended = await Promise.all(ids.map(async (id) => ({ id, session: await store.consume(id) })))
    return ended.filter((one): one is EndedSession => one.session !== null)
  })

  fastify.addHook('onRequest', (request, _reply, done) => {
    const { cookie = '' } = request.headers
    if (cookie.indexOf(COOKIE_NAME) === cookie.lastIndexOf(COOKIE_NAME)) done()
    else chooseCookie(request, cookie).then(() => { done() }, done)
  })

  // What @fastify/session makes of the cookie is undone below.
  const cookiesBefore = new WeakMap<FastifyReply, string[]>()
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    // The second time: the session could not be written, and that is now being answered. Once is enough.
    if (cookiesBefore.has(reply)) Object.assign(request, { session: null })
    cookiesBefore.set(reply, setCookies(reply))
    done()
  })

  await fastify.register(session, {
    cookieName: COOKIE_NAME,
    // As express-session writes it: a cookie of either is valid for the other.
    cookiePrefix: PREFIX,
    secret: signer,
    store: adapter(store),
    saveUninitialized: false,
    rolling: false,
    cookie: { ...attributes, maxAge: SESSION_TTL * 1000 }
  })

  fastify.addHook('onRequest', (request, _reply, done) => {
    const { session, cookies } = request
    // A cookie signed with an older secret is valid: it is signed anew.
    const isCookieCurrent = cookies[COOKIE_NAME] === PREFIX + session.encryptedSessionId
    request.sessionAtStart = { id: session.sessionId, expiresAt: store.expiresAt(session), isCookieCurrent }
    done()
  })

  // Of a session that did not change, this moves the expiry, when that is due.
  const save = promisify(store.set.bind(store))

  fastify.addHook('onSend', async (request, reply) => {
    const { session, sessionAtStart: start } = request as { session: FastifyRequest['session'] | null, sessionAtStart: SessionAtStart | null }
    const others = cookiesBefore.get(reply) ?? []
    if (setCookies(reply).length !== others.length) {
      reply.removeHeader('set-cookie')
      if (others.length > 0) reply.header('set-cookie', others)
    }
    if (session === null || start === null || !store.isStored(session)) return
    await save(session.sessionId, session).catch((error: unknown) => {
      request.log.warn({ code: (error as { code?: string }).code }, 'The expiry of a session could not be moved')
    })
    const isSame = session.sessionId === start.id
    if (isSame && start.isCookieCurrent && store.expiresAt(session) === start.expiresAt) return
    reply.setCookie(COOKIE_NAME, PREFIX + session.encryptedSessionId, { ...attributes, expires: new Date(Date.now() + SESSION_TTL * 1000) })
  })

  /**
   * Of several session cookies, the one that names a live session. A page of a sibling subdomain can plant
   * cookies beside ours: forged ones count for nothing, and between two that are alive nobody can tell which
   * is the browser's own, so the request is a guest's. The next sign-in ends both.
   */
  async function chooseCookie (request: FastifyRequest, header: string): Promise<void> {
    const values = [...new Set(cookieValues(header, COOKIE_NAME))]
    if (values.length < 2) return
    const valid = new Map<string, string>()
    for (const value of values) {
      const { valid: isValid, value: id } = value.startsWith(PREFIX) ? signer.unsign(value.slice(PREFIX.length)) : { valid: false, value: null }
      if (isValid && id !== null) valid.set(id, value)
    }
    const ids = [...valid.keys()].slice(0, MAX_COOKIES)
    const live = valid.size < 2 ? ids : await liveOnes(ids)
    request.sessionIds = ids
    request.cookies[COOKIE_NAME] = live.length === 1 ? valid.get(live[0] as string) : undefined
  }

  async function liveOnes (ids: string[]): Promise<string[]> {
    const get = promisify(store.get.bind(store))
    const found = await Promise.all(ids.map((id) => get(id)))
    return ids.filter((_id, index) => found[index] !== null)
  }
}, { name: 'session', fastify: '5.x', dependencies: ['config', 'cookies', 'session-store'] })

const setCookies = (reply: FastifyReply): string[] => [reply.getHeader('set-cookie') ?? []].flat().map(String)

type SessionStore = Parameters<typeof session>[1]['store']

/** What @fastify/session needs of the store, with this server's rules. */
function adapter (store: PgSessionStore): NonNullable<SessionStore> {
  return {
    // The stored cookie would beat the configuration: only the row's expiry is taken from it.
    get (id, callback) {
      store.get(id, (error, loaded) => {
        const found: SessionData | null | undefined = loaded
        if (found?.cookie !== undefined) found.cookie = found.cookie.expires instanceof Date ? { expires: found.cookie.expires } : {}
        // One that express-session wrote does not say when it began: its absolute lifetime counts from the first use here.
        if (found?.['user'] !== undefined) found['createdAt'] ??= Math.floor(loadedRow(found)?.nowMs ?? Date.now())
        callback(error, found as never)
      })
    },
    // `regenerate()` writes the new session at once, empty: it is worth a row when it holds something.
    set (id, session, callback) {
      if (Object.keys(session).every((key) => key === 'cookie')) { callback(); return }
      store.set(id, session, callback)
    },
    destroy (id, callback) { store.destroy(id, callback) }
  }
}
