import { getDomain } from 'tldts'

/**
 * Those of `origins` that browsers count as another site than `publicUrl`: another scheme, or another registrable
 * domain. They send it no `SameSite=Lax` cookie with what a page requests.
 *
 * The registrable domain depends on the public suffix list, private suffixes included: `a.github.io` and
 * `b.github.io` are two sites.
 *
 * @see {@link https://html.spec.whatwg.org/multipage/browsers.html#same-site}
 */
export function otherSites (publicUrl: string, origins: readonly string[]): string[] {
  const own = siteOf(publicUrl)
  return origins.filter((origin) => siteOf(origin) !== own)
}

/** An address, and a name without a registrable domain such as `localhost`, is a site by itself. */
function siteOf (origin: string): string {
  const { protocol, hostname } = new URL(origin)
  return `${protocol}//${getDomain(hostname, { allowPrivateDomains: true }) ?? hostname}`
}
