import type { IncomingHttpHeaders } from 'node:http'
import { ERR_FOREIGN_ORIGIN } from './errors.js'

/** Which page made the browser send a request. */
export type RequestOrigin =
  | 'same-site' // a page of an allowed origin, or none: the user typed the address or followed a bookmark
  | 'cross-site'
  | 'unknown' // no `Origin` and no `Sec-Fetch-Site`: an old browser, or none at all

/**
 * Where a request comes from.
 *
 * An `Origin` must be allowed, whatever else the request says. `null` is the origin of a page that hides it, also
 * from itself (`Referrer-Policy: no-referrer`). Then `Sec-Fetch-Site` decides, which no page can forge.
 *
 * @param allowed the origins whose pages may send unsafe requests.
 * @see {@link https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header}
 */
export function requestOrigin (headers: IncomingHttpHeaders, allowed: readonly string[]): RequestOrigin {
  const { origin, 'sec-fetch-site': site } = headers
  if (origin !== undefined && origin !== 'null') return allowed.includes(origin) ? 'same-site' : 'cross-site'
  if (site === 'same-origin' || site === 'none') return 'same-site'
  return site === undefined && origin === undefined ? 'unknown' : 'cross-site'
}

/**
 * Whether a page of another site (registrable domain) made the browser send a request: it then comes without a
 * cookie that is `SameSite=Lax`, unless it is a navigation by GET.
 *
 * An old browser names the origin alone. Every one but `publicUrl` may then be of another site.
 *
 * @see {@link https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-the-samesite-attribute}
 */
export function isFromOtherSite (
  { origin, 'sec-fetch-site': site }: IncomingHttpHeaders, publicUrl: string
): boolean {
  if (site !== undefined) return site === 'cross-site'
  return origin !== undefined && origin !== publicUrl
}

/** Longer origins are cut in the log, in characters. */
const MAX_SHOWN = 200

/** A refusal whose cause, for the log, names what the browser said. */
export function foreignOrigin ({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders): Error {
  if (origin === undefined && site === undefined) {
    return new ERR_FOREIGN_ORIGIN({ cause: new Error('a cookie came without Origin and without Sec-Fetch-Site') })
  }
  const said = origin ?? `a page that says Sec-Fetch-Site: ${String(site)}`
  return new ERR_FOREIGN_ORIGIN({ cause: new Error(notAllowed(said)) })
}

/** @param origin as a client says it. */
export const notAllowed = (origin: string): string =>
  `${origin.slice(0, MAX_SHOWN)} is neither PUBLIC_URL nor in RETURN_ORIGINS`
