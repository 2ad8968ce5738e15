import { ERR_SESSION_VALUE } from './errors.js'
import { endOfMembers, OWN_KEY, ownMember, takeOwnData, type OwnData } from './statements/own-data.js'
import type { CookieData, SessionData } from './types.js'

/** The longest session that is stored by default, in bytes of JSON. */
export const DEFAULT_MAX_BYTES = 65_536

/** A UTF-16 code unit takes at most this many bytes of UTF-8. */
const MAX_BYTES_PER_CHAR = 3

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

export interface SerialiseOptions {
  /** As `contentOf` gives it. */
  content?: string | undefined
  /**
   * The row's expiry, if it stays as it is: then an unchanged cookie gives the same text again, and
   * PostgreSQL writes less to its log.
   */
  expireMs?: number | undefined
  own?: OwnData
  /** The longest result, in bytes. */
  maxBytes?: number
}

/**
 * The session as JSON for the column `sess`: one line, its cookie first, the store's own data last.
 *
 * @throws {ERR_SESSION_VALUE} for more than `maxBytes`, and for what `contentOf` or `parse` refuses.
 */
export function serialise (
  session: SessionData,
  { content = contentOf(session), expireMs, own = {}, maxBytes = DEFAULT_MAX_BYTES }: SerialiseOptions = {}
): string {
  checkShape(session)
  const members = [`"cookie":${cookieJson(session.cookie ?? {}, expireMs)}`]
  if (content !== '{}') members.push(content.slice(1, -1))
  const ours = ownMember(own)
  if (ours !== '') members.push(ours)
  const sess = `{${members.join()}}`
  if (sess.length > maxBytes / MAX_BYTES_PER_CHAR && Buffer.byteLength(sess) > maxBytes) {
    throw new ERR_SESSION_VALUE(`longer than ${maxBytes} bytes of JSON`)
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
  if (session[OWN_KEY] !== undefined) throw new ERR_SESSION_VALUE(`key ${OWN_KEY} is reserved`)
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
  const copy: Record<string, unknown> = { ...data }
  const expiry = new Date(expireMs).toISOString()
  if (!isAbsent(copy['expires'])) copy['expires'] = expiry
  if (!isAbsent(copy['originalExpires'])) copy['originalExpires'] = expiry
  return copy
}

const notJson = (cause: unknown) =>
  new ERR_SESSION_VALUE('circular reference, BigInt, or nesting too deep', { cause })

/**
 * The session in a row, and the store's own data. Undefined if the row does not hold a session:
 * other JSON, or an object with a key that would change its prototype.
 */
export function parse (sess: string): { session: SessionData, own: OwnData } | undefined {
  let value: unknown
  try {
    value = JSON.parse(sess)
  } catch {
    return undefined
  }
  if (!isPlain(value) || Object.hasOwn(value, '__proto__')) return undefined
  const { cookie = {} } = value
  return isCookie(cookie) ? { own: takeOwnData(value), session: value } : undefined
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Session libraries calculate with `originalMaxAge`. */
function isCookie (cookie: unknown): boolean {
  if (!isPlain(cookie)) return false
  const { originalMaxAge } = cookie
  return isAbsent(originalMaxAge) || typeof originalMaxAge === 'number'
}

/** express-session allows `false` for an expiry and for a lifetime that a cookie does not have. */
export const isAbsent = (value: unknown): value is undefined | null | false =>
  value === undefined || value === null || value === false

/** A cookie that comes first and holds neither objects nor escapes, and what may follow it. */
const COOKIE_FIRST = /^\{"cookie":\{(?:"[^"\\]*":(?:"[^"\\]*"|[^"{}[\],]*),?)*\}(?=,"|\}$)/

/**
 * `contentOf` the session that `sess` was written from, usually without parsing it: `serialise` and
 * connect-pg-simple put the cookie first, and the cookies of session libraries are flat.
 */
export function contentIn (sess: string): string {
  const members = contentMembers(sess)
  return members === undefined ? contentOf(parse(sess)?.session ?? {}) : `{${members}}`
}

/** Whether `contentIn(sess)` is `content`, usually without making that text. */
export function hasContent (sess: string, content: string): boolean {
  const members = contentMembers(sess)
  return members === undefined ? contentIn(sess) === content : members === content.slice(1, -1)
}

/** `contentIn(sess)` without its braces; undefined if `sess` has to be parsed. */
function contentMembers (sess: string): string | undefined {
  const from = COOKIE_FIRST.exec(sess)?.[0].length
  const to = endOfMembers(sess)
  return from === undefined || to === undefined ? undefined : sess.slice(Math.min(from + 1, to), to)
}

/** How long the session's cookie lives, in milliseconds; null: until the browser is closed. */
export function lifetimeOf ({ cookie }: SessionData): number | null {
  const originalMaxAge = cookie?.originalMaxAge
  return isAbsent(originalMaxAge) ? null : originalMaxAge
}

/**
 * Whether two cookie lifetimes are the same, in milliseconds. express-session computes a lifetime
 * from two readings of the clock at every request, so it may shrink by a millisecond.
 */
export function isSameLifetime (loadedMs: number | null, presentMs: number | null): boolean {
  if (loadedMs === presentMs) return true
  if (loadedMs === null || presentMs === null) return false
  return presentMs < loadedMs && loadedMs - presentMs < LIFETIME_TOLERANCE_MS
}
