/**
 * What the store reads of a session's cookie. `originalMaxAge` is in milliseconds. express-session
 * allows `false` for none.
 */
export interface CookieData {
  expires?: Date | string | null | false
  originalMaxAge?: number | null | false
}

/**
 * A session as callers pass it in and get it back: a cookie, and whatever the application keeps.
 */
export interface SessionData {
  cookie?: CookieData
  [key: string]: unknown
}

/** What `get` gives. Each session library reads the cookie as a type of its own. */
export interface LoadedSession extends SessionData {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  cookie: any
}

/** What session libraries pass in: their types have no index signature. */
export interface AnySession { cookie?: unknown }
