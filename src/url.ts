import { isIP } from 'node:net'

/**
 * `text` as a URL, or null. Node.js 20 has no `URL.parse`, and `URL.canParse` of 20 and 22 takes some texts that
 * `new URL` refuses: once it is optimised, it reads characters from U+0080 to U+00FF as bytes of UTF-8.
 */
export function parseUrl (text: string, base?: string): URL | null {
  try {
    return new URL(text, base)
  } catch {
    return null
  }
}

/** Whether a URL's `hostname` can only be this machine (RFC 6761 §6.3 for `localhost`). */
export function isLoopback (hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
}
