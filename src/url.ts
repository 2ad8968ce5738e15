import { isIP } from 'node:net'

/** `text` as a URL, or null. `URL.parse` does not exist in Node.js 20. */
export function parseUrl (text: string, base?: string): URL | null {
  return URL.canParse(text, base) ? new URL(text, base) : null
}

/** Whether a URL's `hostname` can only be this machine (RFC 6761 §6.3 for `localhost`). */
export function isLoopback (hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
}
