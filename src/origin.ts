import type { IncomingHttpHeaders } from 'node:http'

/** Which page, if any, has a browser send a request. */
export type Provenance =
  | 'own' // of an allowed origin, or none: the person's own doing
  | 'foreign'
  | 'unknown' // neither header: an old browser, or none at all

/**
 * Tells requests of pages of `allowed` origins from those of others.
 *
 * An `Origin` must be allowed, whatever else is said. `null` is the origin of a page that hides it
 * (`Referrer-Policy: no-referrer`), also from itself: then `Sec-Fetch-Site`, which no page can write, decides.
 *
 * @see {@link https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header}
 */
export function provenance (headers: IncomingHttpHeaders, allowed: readonly string[]): Provenance {
  const { origin, 'sec-fetch-site': site } = headers
  if (origin !== undefined && origin !== 'null') return allowed.includes(origin) ? 'own' : 'foreign'
  if (site === 'same-origin' || site === 'none') return 'own'
  return site === undefined && origin === undefined ? 'unknown' : 'foreign'
}
