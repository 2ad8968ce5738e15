import { parseUrl } from '../url.js'
import { AUTH_PREFIX, callbackPath, loginPath } from './paths.js'

/** Longer addresses are refused, because they end up in a row and in a `Location` header. */
const MAX_LENGTH = 2048

/**
 * What URL parsers drop, read as something else or replace: controls, line and paragraph separators, lone surrogates,
 * backslashes, and spaces at either end.
 */
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\\]|^\s|\s$/u

/**
 * Where a browser may be sent after its login: a path on `publicUrl`, or a URL on one of `origins`.
 *
 * @param returnTo as the browser sent it, percent-decoded once by the query parser. Spaces and characters outside
 *   ASCII in its path, query and fragment are encoded as a browser encodes them.
 * @param prefix of the login and the callback, to which no login returns.
 * @returns what goes into `Location`: a path, or a URL serialised from its parts. Undefined if `returnTo` leads
 *   elsewhere (open redirect, RFC 9700 §4.11).
 * @see {@link https://url.spec.whatwg.org/#concept-url-parser}
 */
export function safeReturnTo (
  returnTo: string, publicUrl: string, origins: readonly string[], prefix = AUTH_PREFIX
): string | undefined {
  if (returnTo === '' || returnTo.length > MAX_LENGTH || FORBIDDEN.test(returnTo)) return undefined
  const location = returnTo.startsWith('/')
    ? path(returnTo, publicUrl, prefix)
    : absolute(returnTo, publicUrl, origins, prefix)
  return location === undefined || location.length > MAX_LENGTH ? undefined : location
}

function path (returnTo: string, publicUrl: string, prefix: string): string | undefined {
  const url = parseUrl(returnTo, publicUrl)
  if (url?.origin !== publicUrl || returnTo.startsWith('//') || isLoginPath(url, prefix)) return undefined
  const serialised = url.pathname + url.search + url.hash
  // Resolving `.` and `..` can produce a leading `//`.
  return serialised.startsWith('//') ? undefined : serialised
}

function absolute (
  returnTo: string, publicUrl: string, origins: readonly string[], prefix: string
): string | undefined {
  const [, authority] = /^https?:\/\/([^/?#]*)/.exec(returnTo) ?? []
  // The host is compared as it is written: the URL parser maps other characters to ASCII.
  if (authority === undefined || /[^\x21-\x7e]/.test(authority)) return undefined
  const url = parseUrl(returnTo)
  if (url === null || url.username !== '' || url.password !== '') return undefined
  if (![publicUrl, ...origins].includes(url.origin)) return undefined
  if (url.origin === publicUrl && isLoginPath(url, prefix)) return undefined
  // An empty user name (`https://@host`) parses to nothing, but still misleads a reader of the address.
  return authority.includes('@') ? undefined : url.href
}

/**
 * A return address in at most `maxLength` characters: without its query and fragment, and then without the last
 * segments of its path, as far as is necessary; `/` when not even its origin fits.
 *
 * @param returnTo what {@link safeReturnTo} returned. It accepts the result, too.
 */
export function fitReturnTo (returnTo: string, maxLength: number, prefix = AUTH_PREFIX): string {
  if (returnTo.length <= maxLength) return returnTo
  const [address = ''] = returnTo.split(/[?#]/, 1)
  if (address.length <= maxLength) return address
  const origin = /^https?:\/\/[^/]*/.exec(address)?.[0] ?? ''
  const path = address.slice(origin.length)
  const room = maxLength - origin.length
  if (room < 1) return '/'
  let kept = path.slice(0, path.lastIndexOf('/', room - 1) + 1)
  while (isLoginPath({ pathname: kept }, prefix)) kept = kept.slice(0, kept.lastIndexOf('/', kept.length - 2) + 1)
  return origin + kept
}

/** The login and the callback: returning there would be a redirect loop. */
const isLoginPath = (url: Pick<URL, 'pathname'>, prefix: string): boolean =>
  isAt(url, [loginPath(prefix), callbackPath(prefix)])

/** Whether a URL may lead to one of these paths. The router decodes a path once. */
export function isAt ({ pathname }: Pick<URL, 'pathname'>, paths: readonly string[]): boolean {
  try {
    const path = decodeURIComponent(pathname).replace(/\/+$/, '').toLowerCase()
    return paths.some((known) => path === known.toLowerCase())
  } catch {
    return false // matches no route
  }
}
