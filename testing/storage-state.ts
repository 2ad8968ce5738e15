import type { CookieAttributes } from '../src/cookies.js'

/** The cookies of a browser, as Playwright's `storageState` has them. `expires`: in seconds since 1970. */
export interface StorageState {
  cookies: {
    name: string
    value: string
    domain: string
    path: string
    expires: number
    httpOnly: boolean
    secure: boolean
    sameSite: 'Lax'
  }[]
  origins: { origin: string, localStorage: { name: string, value: string }[] }[]
}

/** @see {@link https://playwright.dev/docs/api/class-browsercontext#browser-context-storage-state} */
export function storageStateOf (
  publicUrl: string, { name, value, attributes }: { name: string, value: string, attributes: CookieAttributes }
): StorageState {
  const { domain, path, httpOnly, secure, maxAge } = attributes
  return {
    cookies: [{
      name,
      value,
      // A cookie with a `Domain` is also that of its subdomains, which the dot says here.
      domain: domain === undefined ? new URL(publicUrl).hostname : `.${domain.replace(/^\./, '')}`,
      path,
      expires: Math.floor(Date.now() / 1000) + maxAge,
      httpOnly,
      secure,
      sameSite: 'Lax'
    }],
    origins: []
  }
}
