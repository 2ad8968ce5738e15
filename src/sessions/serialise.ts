import { ERR_SESSION_VALUE } from './errors.js'

/** A session as the store's callers hand it over and get it: a cookie, and what the application keeps. */
export interface SessionData {
  cookie?: { expires?: Date | string | null, originalMaxAge?: number | null }
  [key: string]: unknown
}

/** The longest session that is stored, in bytes of JSON. */
const MAX_BYTES = 64 * 1024

/**
 * The session as JSON: `sess` for the column, `content` the same without the cookie.
 *
 * @throws {ERR_SESSION_VALUE} for a circular value, a BigInt, or more than 64 KiB.
 */
export function serialise (session: SessionData): { sess: string, content: string } {
  let cookie: string | undefined
  let content: string
  try {
    const { cookie: attributes, ...rest } = session
    cookie = JSON.stringify(attributes ?? {})
    content = JSON.stringify(rest)
  } catch (cause) {
    throw new ERR_SESSION_VALUE('it holds a circular value or a BigInt', { cause })
  }
  const sess = content === '{}' ? `{"cookie":${cookie}}` : `{"cookie":${cookie},${content.slice(1)}`
  if (Buffer.byteLength(sess) > MAX_BYTES) throw new ERR_SESSION_VALUE(`it is longer than ${MAX_BYTES} bytes`)
  return { sess, content }
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
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.hasOwn(value, '__proto__')) return undefined
  const session = value as SessionData
  return session.cookie === undefined || (typeof session.cookie === 'object' && session.cookie !== null) ? session : undefined
}

/** A session's content without its cookie, as `serialise` writes it. */
export function contentOf (session: SessionData): string {
  const { cookie, ...content } = session
  return JSON.stringify(content)
}
