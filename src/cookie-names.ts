interface Named { COOKIE_NAME: string, PUBLIC_URL: string }

/**
 * What the name of every started login's cookie begins with.
 *
 * Over https browsers take a `__Host-` cookie from this very host alone (RFC 6265bis §4.1.3.2): a page of a
 * sibling subdomain cannot plant the cookie of a login that somebody else began.
 */
export function loginCookiePrefix ({ COOKIE_NAME, PUBLIC_URL }: Named): string {
  return `${PUBLIC_URL.startsWith('https:') ? '__Host-' : ''}${COOKIE_NAME.replace(/^__(host|secure)-/i, '')}.login.`
}

/** Whether a cookie of this name is one of this server's. */
export function isOwnCookie (name: string, config: Named): boolean {
  return name === config.COOKIE_NAME || name.startsWith(loginCookiePrefix(config))
}
