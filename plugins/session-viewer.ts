import cookie from '@fastify/cookie'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { chooseCookie } from '../src/choose-cookie.js'
import { cookieValues } from '../src/cookie-header.js'
import { SESSION_COOKIE_PREFIX as PREFIX, sessionCookie, sessionCookieAge, withExpires } from '../src/cookies.js'
import { asEndReason, type EndReason } from '../src/end-reason.js'
import { codeOf } from '../src/errors.js'
import { latest } from '../src/latest.js'
import { rememberingSigner, type Viewed } from '../src/sessions/index.js'
import { usedNow } from '../src/used-now.js'
import { sessionView, type SessionView } from '../src/verify/view.js'

/** A session with a user. */
export interface SeenSession extends Viewed<SessionView> {
  /** As in the cookie. */
  id: string
}

/** Why there is no signed-in session. */
export interface NoSession { reason: EndReason }

export interface SessionViewer {
  /**
   * Reads the session that the request's cookies name, without writing to it.
   *
   * @throws {ERR_DATABASE}
   */
  find (request: FastifyRequest): Promise<SeenSession | NoSession>
  /**
   * The session of a request that would write nothing to it, although it counts as use; null if the session of its
   * cookie is not live. Undefined if that has to be looked at more closely: a touch is due, there are no or several
   * session cookies, or SESSION_SECRET has several secrets, because the cookie and the tokens may then have to be
   * written with the first one.
   *
   * @throws {ERR_DATABASE}
   */
  findUpToDate (header: string | undefined): Promise<SeenSession | null | undefined> | undefined
  /** The `Set-Cookie` for a session that is used and not written, if one is due; see `use`. */
  cookieOf (session: SeenSession, isBrowser: boolean): string | undefined
  /**
   * Counts a request as use of the session: moves its expiry if a touch is due.
   *
   * @param isBrowser whether the browser itself made the request.
   * @returns the `Set-Cookie` for the answer, if one is due (`COOKIE_LIFETIME=idle`). Never fails.
   */
  use (session: SeenSession, isBrowser: boolean): Promise<string | undefined>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Looks at sessions without @fastify/session, for routes that need no `request.session`. */
    sessionViewer: SessionViewer
  }
  interface FastifyRequest {
    /** The session of a route that only reads it (`readsOnly`). Null: it is in `request.session`, if there is one. */
    seenSession: SeenSession | null
  }
}

/**
 * Decorates with `sessionViewer`, and requests with `seenSession`. It reads cookies as `plugins/session.ts` does, and
 * costs no hook.
 *
 * @throws {ERR_DATABASE} from `find`, while the database is unavailable.
 */
export default fp(async (fastify) => {
  const { config, deviceBound, log, sessionStore: store } = fastify
  const { name, attributes } = sessionCookie(config)
  const isIdle = config.COOKIE_LIFETIME === 'idle'
  const signer = latest(
    () => config.SESSION_SECRET, (secrets) => rememberingSigner(new cookie.Signer([...secrets]))
  )
  const view = store.viewer(deviceBound === null
    ? sessionView(config.VERIFY_HEADERS)
    : sessionView(config.VERIFY_HEADERS, (session) => deviceBound.sessions.stateOf(session)))

  fastify.decorateRequest('seenSession', null)
  fastify.decorate('sessionViewer', {
    async find (request) {
      const chosen = idOf(request.headers.cookie ?? '')
      const id = chosen instanceof Promise ? await chosen : chosen
      if (id === null) return { reason: 'none' }
      const seen = await view(id)
      if (seen !== null && isSignedIn(seen)) {
        return isWithoutDevice(request, id, seen) ? { reason: 'device' } : named(seen, id)
      }
      return { reason: seen === null ? await endReason(id) : 'none' }
    },

    findUpToDate (header = '') {
      if (config.SESSION_SECRET.length > 1) return undefined
      const [only, ...others] = cookieValues(header, name)
      const id = only === undefined || others.length > 0 ? null : idIn(only)
      return id === null ? undefined : upToDate(id, header)
    },

    cookieOf ({ id, databaseNow, createdAt, expiresAt }, isBrowser) {
      if (!isIdle || !isBrowser) return undefined
      return setCookie(id, { nowMs: databaseNow, createdMs: createdAt ?? 0, expireMs: expiresAt, isWritten: false })
    },

    async use (seen, isBrowser) {
      const { id } = seen
      try {
        const session = await store.promises.get(id)
        if (session === null) return undefined
        const used = usedNow(session, config.SESSION_TTL)
        const before = store.expiresAt(used)
        await store.promises.touch(id, used)
        const isWritten = store.expiresAt(used) !== before
        if (!isIdle || !(isWritten || isBrowser) || store.msSinceSeen(used) === Infinity) return undefined
        return setCookie(id, {
          nowMs: store.databaseNow(used) ?? 0,
          createdMs: store.createdAt(used) ?? 0,
          expireMs: store.expiresAt(used) ?? 0,
          isWritten
        })
      } catch (error) {
        log.warn({ code: codeOf(error) }, 'The expiry of a session could not be moved')
        return undefined
      }
    }
  } satisfies SessionViewer)

  function isWithoutDevice (request: FastifyRequest, id: string, seen: Viewed<SessionView>): boolean {
    const { view: { device: state, user: { sub } }, databaseNow: nowMs } = seen
    if (deviceBound === null || state === undefined) return false
    const standing = deviceBound.standing(request, { id, state, sub, nowMs })
    return standing === 'missing' || standing === 'unbound'
  }

  /** The id in the only session cookie, or in the one of several that names a live session. */
  function idOf (header: string): string | null | Promise<string | null> {
    const values = cookieValues(header, name)
    const [only] = values
    if (only === undefined) return null
    return values.length === 1 ? idIn(only) : idAmong(values)
  }

  async function idAmong (values: string[]): Promise<string | null> {
    const { chosen } = await chooseCookie([...new Set(values)], idIn, async (id) => await view(id) !== null)
    return chosen === undefined ? null : idIn(chosen)
  }

  /** The id that a session cookie holds; null when its signature is not valid. */
  function idIn (value: string): string | null {
    return value.startsWith(PREFIX) ? signer().unsign(value.slice(PREFIX.length)).value : null
  }

  async function upToDate (id: string, header: string): Promise<SeenSession | null | undefined> {
    const seen = await view(id)
    if (seen === null) return null
    if (!seen.isUpToDate || !isSignedIn(seen)) return undefined
    return hasDevice(id, seen, header) ? named(seen, id) : undefined
  }

  /** Whether the session may be used with these cookies. If not, `plugins/session.ts` looks again, and tells it. */
  function hasDevice (id: string, { view: { device }, databaseNow }: Viewed<SessionView>, header: string): boolean {
    if (deviceBound === null || device === undefined) return true
    const standing = deviceBound.sessions.standing(device, id, header, databaseNow)
    return standing === 'free' || standing === 'bound'
  }

  async function endReason (id: string): Promise<EndReason> {
    return asEndReason(await store.endReason(id).catch(() => null))
  }

  function setCookie (id: string, times: Parameters<typeof sessionCookieAge>[1]): string | undefined {
    const maxAge = sessionCookieAge(config, times)
    if (maxAge === 0) return undefined
    return cookie.fastifyCookie.serialize(name, PREFIX + signer().sign(id), withExpires({ ...attributes, maxAge }))
  }
}, { name: 'session-viewer', fastify: '5.x', dependencies: ['config', 'device-bound', 'session-store'] })

const isSignedIn = (seen: Viewed<SessionView | undefined>): seen is Viewed<SessionView> => seen.view !== undefined

/** The same object: a copy would take longer than the rest of a look at the session. */
function named (seen: Viewed<SessionView> & { id?: string }, id: string): SeenSession {
  seen.id = id
  return seen as SeenSession
}
