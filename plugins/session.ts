import session from '@fastify/session'
import fp from 'fastify-plugin'
import type { User } from '../src/login/id-token.js'
import { loadedRow } from '../src/sessions/loaded.js'
import { rememberingSigner } from '../src/sessions/signer.js'
import type { SessionData } from '../src/sessions/serialise.js'
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
    /** Cognito's refresh token, sealed by `TokenVault`: kept to revoke it at sign-out. */
    refreshToken?: string
  }
}

/** What express-session puts before a signed id. */
const PREFIX = 's:'

/**
 * Decorates the request with `session`, kept in PostgreSQL. A guest costs no row and gets no cookie.
 *
 * Registered only around the routes that use sessions: the others cost no query.
 *
 * @throws {ERR_DATABASE} from any request that carries a session cookie, while the database is away.
 * @see {@link https://github.com/fastify/session#options}
 */
export default fp(async (fastify) => {
  const { COOKIE_NAME, COOKIE_DOMAIN, PUBLIC_URL, SESSION_TTL } = fastify.config
  const secure = PUBLIC_URL.startsWith('https:')

  // TLS often ends at the balancer; browsers reach us over PUBLIC_URL's scheme, and @fastify/session
  // silently drops a secure cookie when the request does not seem to be https.
  if (secure) {
    fastify.addHook('onRequest', async (request) => {
      Object.defineProperty(request, 'protocol', { value: 'https' })
    })
  }

  await fastify.register(session, {
    cookieName: COOKIE_NAME,
    // As express-session writes it: a cookie of either is valid for the other.
    cookiePrefix: PREFIX,
    secret: rememberingSigner({ sign: (id) => fastify.signCookie(id), unsign: (cookie) => fastify.unsignCookie(cookie) }),
    store: adapter(fastify.sessionStore),
    saveUninitialized: false,
    rolling: true,
    cookie: {
      path: '/', httpOnly: true, sameSite: 'lax', secure, maxAge: SESSION_TTL * 1000,
      ...(COOKIE_DOMAIN === undefined ? {} : { domain: COOKIE_DOMAIN })
    }
  })

  // A cookie signed with an older secret is valid: it is signed anew, not cleared.
  fastify.addHook('onRequest', async (request) => {
    const { session, cookies } = request
    if (cookies[COOKIE_NAME] !== undefined && fastify.sessionStore.isStored(session)) cookies[COOKIE_NAME] = PREFIX + session.encryptedSessionId
  })
}, { name: 'session', fastify: '5.x', dependencies: ['config', 'cookies', 'session-store'] })

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
