import { ERR_SESSION_VALUE } from './errors.js'
import type { CookieData, SessionData } from './types.js'

export type { AnySession, CookieData, LoadedSession, SessionData } from './types.js'

/** The key under which a session object carries what `get` knew of its row. Not a symbol: session libraries copy string keys only. */
export const ROW_KEY = '~row'

const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The longest session that is stored, in bytes of JSON. */
const MAX_BYTES = 64 * 1024

/** The longest text, in UTF-16 code units, that has at most {@link MAX_BYTES} whatever it holds: no unit takes more than three. */
const SURELY_SHORT = MAX_BYTES / 3

/**
 * What makes a session another when it changes: JSON of all but its cookie.
 *
 * @throws {ERR_SESSION_VALUE} for a circular value or a BigInt.
 */
export function contentOf (session: SessionData): string {
  try {
    const { cookie, ...rest } = session
    return JSON.stringify(rest)
  } catch (cause) {
    throw unstorable(cause)
  }
}

/**
 * The session as JSON, for the column: one line, its cookie first.
 *
 * @param content as `contentOf` gives it.
 * @param expireMs when the row expires, where that stays: the same text again then, and PostgreSQL's log has little to keep.
 * @throws {ERR_SESSION_VALUE} for more than 64 KiB, for what `contentOf` refuses, and for what `parse` would not read.
 */
export function serialise (session: SessionData, content = contentOf(session), expireMs?: number): string {
  if (!isPlain(session) || !isCookie(session.cookie ?? {})) throw new ERR_SESSION_VALUE('it, or its cookie, is none')
  if (Object.hasOwn(session, '__proto__')) throw new ERR_SESSION_VALUE('it has a key __proto__')
  // What the store itself puts there is not serialised.
  if (session[ROW_KEY] !== undefined && JSON.stringify(session[ROW_KEY]) !== undefined) throw new ERR_SESSION_VALUE(`it has a key ${ROW_KEY}`)
  let cookie: string | undefined
  try {
    cookie = JSON.stringify(expireMs === undefined ? session.cookie ?? {} : expiring(session.cookie ?? {}, expireMs))
  } catch (cause) {
    throw unstorable(cause)
  }
  const sess = content === '{}' ? `{"cookie":${cookie}}` : `{"cookie":${cookie},${content.slice(1)}`
  if (sess.length > SURELY_SHORT && Buffer.byteLength(sess) > MAX_BYTES) throw new ERR_SESSION_VALUE(`it is longer than ${MAX_BYTES} bytes`)
  return sess
}

/** The cookie's data, with this expiry if it has any. @fastify/session's cookies have it twice. */
function expiring (cookie: CookieData & { toJSON?: () => unknown }, expireMs: number): object {
  const data = (typeof cookie.toJSON === 'function' ? cookie.toJSON() : cookie) as CookieData & { originalExpires?: unknown }
  const expires = new Date(expireMs).toISOString()
  return {
    ...data,
    ...(data.expires === undefined || data.expires === null ? {} : { expires }),
    ...(data.originalExpires === undefined || data.originalExpires === null ? {} : { originalExpires: expires })
  }
}

const unstorable = (cause: unknown) => new ERR_SESSION_VALUE('it holds a circular value, a BigInt, or too many lists or objects in each other', { cause })

/**
 * The session in a row, or undefined when the row does not hold one: somebody else's JSON, or a key that
 * would change what the session object is.
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

/** Session libraries calculate with its `originalMaxAge`. */
function isCookie (cookie: unknown): boolean {
  return isPlain(cookie) && ['number', 'undefined'].includes(typeof (cookie['originalMaxAge'] ?? undefined))
}

/** A cookie that stands first and holds neither objects nor escapes, and what may follow it. */
const COOKIE_FIRST = /^\{"cookie":\{(?:"[^"\\]*":(?:"[^"\\]*"|[^"{}[\],]*),?)*\}(?=,"|\}$)/

/**
 * `contentOf` of the session that `sess` was written from, mostly without parsing it: `serialise` and
 * connect-pg-simple put the cookie first, and session libraries' cookies are flat.
 */
export function contentIn (sess: string): string {
  const end = COOKIE_FIRST.exec(sess)?.[0].length
  if (end === undefined) return contentOf(parse(sess) ?? {})
  return sess[end] === ',' ? `{${sess.slice(end + 1)}` : '{}'
}

/** How long the session's cookie lives, as far as it counts as a part of the session; null: until the browser is closed. */
export const lifetimeOf = ({ cookie }: SessionData): number | null => cookie?.originalMaxAge ?? null

/** By how much less a cookie's lifetime may seem and still be the same, in milliseconds. */
const MEASURED_LATER = 100

/**
 * Whether two lifetimes are the same: express-session measures a cookie's anew at every request, from two looks at
 * the clock, and finds it a millisecond shorter now and then.
 */
export const isSameLifetime = (loaded: number | null, present: number | null): boolean => loaded === present ||
  (loaded !== null && present !== null && present < loaded && loaded - present < MEASURED_LATER)
