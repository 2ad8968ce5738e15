import { ERR_SESSION_VALUE } from './errors.js'
import { isForeignRow } from './loaded.js'

/** A session as the store's callers hand it over and get it: a cookie, and what the application keeps. */
export interface SessionData {
  cookie?: { expires?: Date | string | null, originalMaxAge?: number | null }
  [key: string]: unknown
}

const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The longest session that is stored, in bytes of JSON. */
const MAX_BYTES = 64 * 1024

/**
 * The session as JSON: `sess` for the column, `content` as `contentOf` gives it.
 *
 * @throws {ERR_SESSION_VALUE} for a circular value, a BigInt, more than 64 KiB, or what `parse` would not read.
 */
export function serialise (session: SessionData): { sess: string, content: string } {
  if (!isPlain(session) || !isCookie(session.cookie ?? {})) throw new ERR_SESSION_VALUE('it, or its cookie, is none')
  const unreadable = Object.hasOwn(session, '__proto__') ? '__proto__' : isForeignRow(session) ? '~row' : undefined
  if (unreadable !== undefined) throw new ERR_SESSION_VALUE(`it has a key ${unreadable}`)
  let cookie: string | undefined
  let rest: string
  try {
    cookie = JSON.stringify(session.cookie ?? {})
    rest = withoutCookie(session)
  } catch (cause) {
    throw new ERR_SESSION_VALUE('it holds a circular value, a BigInt, or too many lists or objects in each other', { cause })
  }
  const sess = rest === '{}' ? `{"cookie":${cookie}}` : `{"cookie":${cookie},${rest.slice(1)}`
  if (Buffer.byteLength(sess) > MAX_BYTES) throw new ERR_SESSION_VALUE(`it is longer than ${MAX_BYTES} bytes`)
  return { sess, content: compared(session, rest) }
}

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

/** Of a session what makes it another when it changes: all but its cookie, of which only the lifetime counts. */
export function contentOf (session: SessionData): string {
  return compared(session, withoutCookie(session))
}

/** The session, without its cookie, that `contentOf` was given. */
export function fromContent (content: string): SessionData {
  return JSON.parse(content.slice(content.indexOf('{'))) as SessionData
}

const compared = ({ cookie }: SessionData, rest: string): string => `${cookie?.originalMaxAge ?? ''}${rest}`

function withoutCookie (session: SessionData): string {
  const { cookie, ...rest } = session
  return JSON.stringify(rest)
}
