import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a browser asks for a page before anybody wants to see it, to show it sooner or to make a preview.
 * `Purpose`, `X-Moz` and `X-Purpose` are what `Sec-Purpose` was called before.
 *
 * @see {@link https://html.spec.whatwg.org/multipage/links.html#link-type-prefetch}
 * @see {@link https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header}
 */
export function isPrefetch (headers: IncomingHttpHeaders): boolean {
  return ['sec-purpose', 'purpose', 'x-moz', 'x-purpose'].some((name) => /\b(prefetch|prerender|preview)\b/i.test(String(headers[name] ?? '')))
}
