import type { IncomingHttpHeaders } from 'node:http'

/** `Purpose`, `X-Moz` and `X-Purpose` are older names of `Sec-Purpose`. Turbo sends `X-Sec-Purpose`. */
const HEADERS = ['sec-purpose', 'purpose', 'x-moz', 'x-purpose', 'x-sec-purpose']
/** Next.js sends `1` or `2` with a prefetch of its router, and leaves the header out otherwise. */
const NEXT_ROUTER_PREFETCH = 'next-router-prefetch'

/**
 * Whether a browser requests a page before the user asks for it, to show it sooner or as a preview.
 *
 * @see {@link https://html.spec.whatwg.org/multipage/links.html#link-type-prefetch}
 * @see {@link https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header}
 * @see {@link https://turbo.hotwired.dev/handbook/drive#prefetching-links-on-hover}
 */
export function isPrefetch (headers: IncomingHttpHeaders): boolean {
  if ((headers[NEXT_ROUTER_PREFETCH] ?? '') !== '') return true
  return HEADERS.some((name) => /\b(prefetch|prerender|preview)\b/i.test(String(headers[name] ?? '')))
}

/**
 * Whether the browser says that this request is not a navigation: a script's, or that of an image. Not every client
 * says so.
 *
 * @see {@link https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header}
 */
export function isSubresource ({ 'sec-fetch-mode': mode }: IncomingHttpHeaders): boolean {
  return mode !== undefined && mode !== 'navigate'
}
