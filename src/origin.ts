import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a browser sends this request for a page of another origin than `allowed`.
 *
 * `Sec-Fetch-Site` comes first: a page with `Referrer-Policy: no-referrer` sends `Origin: null` with its
 * own forms. A request with neither header is no browser's, and no cookie was lured out of one.
 *
 * @see {@link https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header}
 */
export function isForeign (headers: IncomingHttpHeaders, allowed: readonly string[]): boolean {
  const site = headers['sec-fetch-site']
  if (site === 'same-origin' || site === 'none') return false
  if (headers.origin !== undefined) return !allowed.includes(headers.origin)
  return site !== undefined
}
