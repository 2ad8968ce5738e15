import { ERR_SESSION_VALUE } from './errors.js'
import type { CookieData, SessionData } from './types.js'

/**
 * The key under which a session object carries what `get` knew of its row. Session libraries copy
 * string keys only, so it is not a symbol.
 */
export const ROW_KEY = '~row'

/** The longest session that is stored, in bytes of JSON. */
const MAX_BYTES = 64 * 1024

/**
 * Text up to this length, in UTF-16 code units, has at most {@link MAX_BYTES}: a unit takes three
 * at most.
 */
const SAFE_CHARS = MAX_BYTES / 3

/** By how many milliseconds a cookie's lifetime may shrink and still count as the same. */
const LIFETIME_TOLERANCE_MS = 100

/**
 * The session as JSON without its cookie. It is compared to detect changes.
 *
 * @throws {ERR_SESSION_VALUE} for a circular reference or a BigInt.
 */
export function contentOf (session: SessionData): string {
  try {
    const { cookie, ...rest } = session
    return JSON.stringify(rest)
  } catch (cause) {
    throw notJson(cause)
  }
}

/**
 * The session as JSON for the column `sess`: one line, its cookie first.
 *
 * @param content as `contentOf` gives it.
 * @param expireMs the row's expiry, if it stays as it is: then an unchanged cookie gives the same
 *   text again, and PostgreSQL writes less to its log.
 * @throws {ERR_SESSION_VALUE} for more than 64 KiB, and for what `contentOf` or `parse` refuses.
 */
export function serialise (
  session: SessionData, content = contentOf(session), expireMs?: number
): string {
  checkShape(session)
  const cookie = cookieJson(session.cookie ?? {}, expireMs)
  const sess = content === '{}' ? `{"cookie":${cookie}}` : `{"cookie":${cookie},${content.slice(1)}`
  if (sess.length > SAFE_CHARS && Buffer.byteLength(sess) > MAX_BYTES) {
    throw new ERR_SESSION_VALUE(`longer than ${MAX_BYTES} bytes of JSON`)
  }
  return sess
}

/** @throws {ERR_SESSION_VALUE} */
function checkShape (session: SessionData): void {
  if (!isPlain(session) || !isPlain(session.cookie ?? {})) {
    throw new ERR_SESSION_VALUE('session or cookie is not an object')
  }
  if (!isCookie(session.cookie ?? {})) {
    throw new ERR_SESSION_VALUE('originalMaxAge of the cookie is not a number')
  }
  if (Object.hasOwn(session, '__proto__')) {
    throw new ERR_SESSION_VALUE('key __proto__ is not allowed')
  }
  // The store's own value is not serialised.
  if (session[ROW_KEY] !== undefined && JSON.stringify(session[ROW_KEY]) !== undefined) {
    throw new ERR_SESSION_VALUE(`key ${ROW_KEY} is reserved`)
  }
}

/** @throws {ERR_SESSION_VALUE} */
function cookieJson (cookie: CookieData, expireMs: number | undefined): string {
  try {
    return JSON.stringify(expireMs === undefined ? cookie : withExpiry(cookie, expireMs))
  } catch (cause) {
    throw notJson(cause)
  }
}

/**
 * The data of a cookie, with this expiry if it has one. Cookies of @fastify/session have it twice.
 */
function withExpiry (cookie: CookieData & { toJSON?: () => unknown }, expireMs: number): object {
  const data = typeof cookie.toJSON === 'function' ? cookie.toJSON() as object : cookie
  const { expires = null, originalExpires = null } = data as Record<string, unknown>
  const expiry = new Date(expireMs).toISOString()
  return {
    ...data,
    ...(expires === null ? {} : { expires: expiry }),
    ...(originalExpires === null ? {} : { originalExpires: expiry })
  }
}

const notJson = (cause: unknown) =>
  new ERR_SESSION_VALUE('circular reference, BigInt, or nesting too deep', { cause })

/**
 * The session in a row. Undefined if the row does not hold one: other JSON, or an object with a key
 * that would change its prototype.
 */
export function parse (sess: string): SessionData | undefined {
  let value: unknown
  try {
    value = JSON.parse(sess)
  } catch {
    return undefined
  }
  if (!isPlain(value) || Object.hasOwn(value, '__proto__')) return undefined
  const { cookie = {} } = value
  return isCookie(cookie) ? value : undefined
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Session libraries calculate with `originalMaxAge`. */
function isCookie (cookie: unknown): boolean {
  if (!isPlain(cookie)) return false
  const originalMaxAge = cookie['originalMaxAge'] ?? undefined
  return originalMaxAge === undefined || typeof originalMaxAge === 'number'
}

/** A cookie that comes first and holds neither objects nor escapes, and what may follow it. */
const COOKIE_FIRST = /^\{"cookie":\{(?:"[^"\\]*":(?:"[^"\\]*"|[^"{}[\],]*),?)*\}(?=,"|\}$)/

/**
 * `contentOf` the session that `sess` was written from, usually without parsing it: `serialise` and
 * connect-pg-simple put the cookie first, and the cookies of session libraries are flat.
 */
export function contentIn (sess: string): string {
  const end = COOKIE_FIRST.exec(sess)?.[0].length
  if (end === undefined) return contentOf(parse(sess) ?? {})
  return sess[end] === ',' ? `{${sess.slice(end + 1)}` : '{}'
}

/** How long the session's cookie lives, in milliseconds; null: until the browser is closed. */
export const lifetimeOf = ({ cookie }: SessionData): number | null => cookie?.originalMaxAge ?? null

/**
 * Whether two cookie lifetimes are the same, in milliseconds. express-session computes a lifetime
 * from two readings of the clock at every request, so it may shrink by a millisecond.
 */
export function isSameLifetime (loadedMs: number | null, presentMs: number | null): boolean {
  if (loadedMs === presentMs) return true
  if (loadedMs === null || presentMs === null) return false
  return presentMs < loadedMs && loadedMs - presentMs < LIFETIME_TOLERANCE_MS
}
