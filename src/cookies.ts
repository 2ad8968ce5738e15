/**
 * Names and attributes of the cookies that this server sets: the session's, what a sign-out leaves, the one that is
 * bound to a device, and those of logins under way.
 *
 * @module
 */
import type { Config } from './config.js'
import { AUTH_PREFIX } from './login/paths.js'

export interface CookieAttributes {
  path: string
  domain?: string
  httpOnly: true
  sameSite: 'lax'
  secure: boolean
  /** Seconds. It precedes `Expires`, which is measured by the browser's clock. */
  maxAge: number
}

/** What express-session puts before a signed id. With it, a cookie of either library is valid for the other. */
export const SESSION_COOKIE_PREFIX = 's:'

/** How long a browser knows that it has signed out. In seconds. */
const SIGNED_OUT_AGE_S = 60

/** A browser keeps a login's cookie for a day at least, so that an expired login can be started again. In seconds. */
const MIN_LOGIN_COOKIE_AGE_S = 86_400

/** A second callback without `state` within this time starts no login. In seconds. */
const UNSOLICITED_AGE_S = 60

type Named = Pick<Config, 'COOKIE_NAME' | 'https'>

/** The cookie that holds the session's signed id. */
export function sessionCookie (
  { COOKIE_NAME, COOKIE_DOMAIN, SESSION_TTL, https }: Named & Pick<Config, 'COOKIE_DOMAIN' | 'SESSION_TTL'>
): { name: string, attributes: CookieAttributes } {
  const domain = COOKIE_DOMAIN === undefined ? {} : { domain: COOKIE_DOMAIN }
  return { name: COOKIE_NAME, attributes: { path: '/', ...domain, ...common(https), maxAge: SESSION_TTL } }
}

/**
 * A cookie that says that a session has ended. Setting it makes browsers drop the pages of that session, which they
 * keep in memory for the back button; clearing the session cookie does not. It holds no secret.
 *
 * @see {@link https://developer.chrome.com/docs/web-platform/bfcache-ccns}
 */
export function signedOutCookie (
  { COOKIE_DOMAIN, ...named }: Named & Pick<Config, 'COOKIE_DOMAIN'>
): { name: string, attributes: CookieAttributes } {
  const domain = COOKIE_DOMAIN === undefined ? {} : { domain: COOKIE_DOMAIN }
  return {
    name: `${withoutPrefix(named.COOKIE_NAME)}.signed-out`,
    attributes: { path: '/', ...domain, ...common(named.https), maxAge: SIGNED_OUT_AGE_S }
  }
}

/** For how long the cookie of a bound session is valid: browsers make few proofs in ten minutes. In seconds. */
export const BOUND_COOKIE_AGE_S = 600

/** The short-lived cookie beside the session cookie that a bound session's browser renews by a proof. */
export function boundCookie ({ https, COOKIE_NAME }: Named): { name: string, attributes: CookieAttributes } {
  const name = `${https ? '__Host-' : ''}${withoutPrefix(COOKIE_NAME)}.bound`
  return { name, attributes: { path: '/', ...common(https), maxAge: BOUND_COOKIE_AGE_S } }
}

/**
 * The seconds for which a browser keeps the session cookie: as long as the row (`COOKIE_LIFETIME=idle`), or for the
 * rest of the absolute lifetime (`absolute`). 0: it would end at once, and is not sent.
 *
 * @param times in milliseconds since 1970 on the database's clock; `isWritten`: the row has just been written. Its
 *   seconds are then rounded up, and otherwise down, so that the cookie does not outlive the row.
 */
export function sessionCookieAge (
  { COOKIE_LIFETIME, SESSION_TTL, SESSION_ABSOLUTE_TTL }:
  Pick<Config, 'COOKIE_LIFETIME' | 'SESSION_TTL' | 'SESSION_ABSOLUTE_TTL'>,
  { nowMs, createdMs, expireMs, isWritten }:
  { nowMs: number, createdMs: number, expireMs: number, isWritten: boolean }
): number {
  if (COOKIE_LIFETIME === 'absolute') {
    const leftMs = createdMs + SESSION_ABSOLUTE_TTL * 1000 - nowMs
    return Math.min(Math.max(0, Math.ceil(leftMs / 1000)), SESSION_ABSOLUTE_TTL)
  }
  const leftS = (expireMs - nowMs) / 1000
  return Math.min(Math.max(0, isWritten ? Math.ceil(leftS) : Math.floor(leftS)), SESSION_TTL)
}

/** In place of what an application's @fastify/cookie adds to every cookie (`parseOptions`). */
const NO_DEFAULTS = {
  domain: undefined, expires: undefined, encode: undefined, partitioned: undefined, priority: undefined, signed: false
}

/** Attributes to which @fastify/cookie adds nothing. */
export const exactly = (attributes: CookieAttributes): CookieAttributes =>
  ({ ...NO_DEFAULTS, ...attributes }) as CookieAttributes

/** Attributes with `Expires` as well, for clients without `Max-Age`. */
export const withExpires = (attributes: CookieAttributes): CookieAttributes & { expires: Date } =>
  ({ ...attributes, expires: new Date(Date.now() + attributes.maxAge * 1000) })

/**
 * The cookies of logins under way: their names are `namePrefix` and a key of the login's state.
 *
 * They have no `Domain`: the callback is on the host of PUBLIC_URL. Over https their names begin with `__Host-`, so
 * that a sibling subdomain cannot plant the cookie of another person's login (RFC 6265bis §4.1.3.2).
 */
export function loginCookies (
  { LOGIN_TTL, prefix = AUTH_PREFIX, ...named }: Named & Pick<Config, 'LOGIN_TTL'> & { prefix?: string }
): { namePrefix: string, attributes: CookieAttributes } {
  const { https } = named
  // Browsers accept a __Host- cookie with the path / only.
  const path = https ? '/' : prefix
  const maxAge = Math.max(LOGIN_TTL, MIN_LOGIN_COOKIE_AGE_S)
  return { namePrefix: loginCookiePrefix(named), attributes: { path, ...common(https), maxAge } }
}

/** Marks a browser whose callback without `state` has started a login. It says nothing about the user. */
export function unsolicitedCookie (
  config: Parameters<typeof loginCookies>[0]
): { name: string, attributes: CookieAttributes } {
  const { namePrefix, attributes } = loginCookies(config)
  const name = namePrefix.replace(/login\.$/, 'unsolicited')
  return { name, attributes: { ...attributes, maxAge: UNSOLICITED_AGE_S } }
}

/** Whether a cookie of this name acts for a user: the session's, or that of a login. */
export function isCredential (name: string, config: Named): boolean {
  return name === config.COOKIE_NAME || name.startsWith(loginCookiePrefix(config))
}

function loginCookiePrefix ({ COOKIE_NAME, https }: Named): string {
  return `${https ? '__Host-' : ''}${withoutPrefix(COOKIE_NAME)}.login.`
}

const withoutPrefix = (name: string): string => name.replace(/^__(host-http|host|http|secure)-/i, '')

/** Also for clearing: browsers ignore the removal of a `__Host-` or `__Secure-` cookie without `Secure`. */
const common = (secure: boolean) => ({ httpOnly: true, sameSite: 'lax', secure }) as const
