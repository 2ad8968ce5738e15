import { parseUrl } from '../url.js'

/** Longer addresses are refused: they would end up in a row and in a `Location`. */
const MAX_LENGTH = 2048

/** Space, controls, backslash, and anything that is not ASCII: a URL that needs none of them has them encoded. */
const FORBIDDEN = /[^\x21-\x5b\x5d-\x7e]/

/**
 * Where a browser may be sent after its login: a path on `publicUrl`, or a URL on one of `origins`.
 *
 * @param returnTo as the browser gave it, already percent-decoded once by the query parser.
 * @returns what goes into `Location`: a path, or a URL written out anew from its parts; undefined when
 *   `returnTo` leads elsewhere (open redirect, RFC 9700 §4.11).
 */
export function safeReturnTo (returnTo: string, publicUrl: string, origins: readonly string[]): string | undefined {
  if (returnTo === '' || returnTo.length > MAX_LENGTH || FORBIDDEN.test(returnTo)) return undefined
  return returnTo.startsWith('/') ? path(returnTo, publicUrl) : absolute(returnTo, publicUrl, origins)
}

/** The URL parser resolves `.` and `..`: what comes out is checked, not only what went in. */
function path (returnTo: string, publicUrl: string): string | undefined {
  const url = parseUrl(returnTo, publicUrl)
  if (url?.origin !== publicUrl || returnTo.startsWith('//') || isOfALogin(url)) return undefined
  const written = url.pathname + url.search + url.hash
  return written.startsWith('//') ? undefined : written
}

function absolute (returnTo: string, publicUrl: string, origins: readonly string[]): string | undefined {
  if (!/^https?:\/\//.test(returnTo)) return undefined
  const url = parseUrl(returnTo)
  if (url === null || url.username !== '' || url.password !== '' || ![publicUrl, ...origins].includes(url.origin)) return undefined
  if (url.origin === publicUrl && isOfALogin(url)) return undefined
  // A user-info that parses to nothing (`https://@host`) is still there to mislead whoever reads the address.
  return /^https?:\/\/[^/?#]*@/.test(returnTo) ? undefined : url.href
}

/** A login that ends where logins begin and end would go round in circles. The router decodes a path once. */
function isOfALogin ({ pathname }: URL): boolean {
  try {
    return /^\/api\/auth\/(login|callback)\/*$/i.test(decodeURIComponent(pathname))
  } catch {
    return false // of no route
  }
}
