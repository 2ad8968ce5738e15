import { parseUrl } from '../url.js'
import { CALLBACK_PATH, LOGIN_PATH } from './paths.js'

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
 * @returns what goes into `Location`: a path, or a URL serialised from its parts. Undefined if `returnTo` leads
 *   elsewhere (open redirect, RFC 9700 §4.11).
 * @see {@link https://url.spec.whatwg.org/#concept-url-parser}
 */
export function safeReturnTo (returnTo: string, publicUrl: string, origins: readonly string[]): string | undefined {
  if (returnTo === '' || returnTo.length > MAX_LENGTH || FORBIDDEN.test(returnTo)) return undefined
  const location = returnTo.startsWith('/') ? path(returnTo, publicUrl) : absolute(returnTo, publicUrl, origins)
  return location === undefined || location.length > MAX_LENGTH ? undefined : location
}

function path (returnTo: string, publicUrl: string): string | undefined {
  const url = parseUrl(returnTo, publicUrl)
  if (url?.origin !== publicUrl || returnTo.startsWith('//') || isLoginPath(url)) return undefined
  const serialised = url.pathname + url.search + url.hash
  // Resolving `.` and `..` can produce a leading `//`.
  return serialised.startsWith('//') ? undefined : serialised
}

function absolute (returnTo: string, publicUrl: string, origins: readonly string[]): string | undefined {
  const [, authority] = /^https?:\/\/([^/?#]*)/.exec(returnTo) ?? []
  // The host is compared as it is written: the URL parser maps other characters to ASCII.
  if (authority === undefined || /[^\x21-\x7e]/.test(authority)) return undefined
  const url = parseUrl(returnTo)
  if (url === null || url.username !== '' || url.password !== '') return undefined
  if (![publicUrl, ...origins].includes(url.origin)) return undefined
  if (url.origin === publicUrl && isLoginPath(url)) return undefined
  // An empty user name (`https://@host`) parses to nothing, but still misleads a reader of the address.
  return authority.includes('@') ? undefined : url.href
}

/** The login and the callback: returning there would be a redirect loop. The router decodes a path once. */
function isLoginPath ({ pathname }: URL): boolean {
  try {
    return LOGIN_PATHS.test(decodeURIComponent(pathname))
  } catch {
    return false // matches no route
  }
}

const LOGIN_PATHS = new RegExp(`^(${LOGIN_PATH}|${CALLBACK_PATH})/*$`, 'i')
