import type { IncomingHttpHeaders } from 'node:http'

/** `Purpose`, `X-Moz` and `X-Purpose` are older names of `Sec-Purpose`. */
const HEADERS = ['sec-purpose', 'purpose', 'x-moz', 'x-purpose']

/**
 * Whether a browser requests a page before the user asks for it, to show it sooner or as a preview.
 *
 * @see {@link https://html.spec.whatwg.org/multipage/links.html#link-type-prefetch}
 * @see {@link https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header}
 */
export function isPrefetch (headers: IncomingHttpHeaders): boolean {
  return HEADERS.some((name) => /\b(prefetch|prerender|preview)\b/i.test(String(headers[name] ?? '')))
}
