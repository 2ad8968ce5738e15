import type { Page } from './browser.js'

/** Where an error page sends the browser at once by itself. */
export function restart (page: Page): string | undefined {
  const url = /<meta http-equiv="refresh" content="0;url=([^"]+)">/.exec(page.text)?.[1]
  return url === undefined ? undefined : new URL(decode(url), page.url).href
}

/** Where its button to sign in again leads. */
export const button = (page: Page): string =>
  new URL(decode(/<a class="button[^"]*" href="([^"]+)">Sign in again</.exec(page.text)?.[1] ?? ''), page.url).href

/** What the login asks for to which its button leads. */
export const retried = (page: Page): Record<string, string> => Object.fromEntries(new URL(button(page)).searchParams)

const decode = (text: string): string =>
  text.replaceAll(/&#(\d+);/g, (_all, code: string) => String.fromCharCode(Number(code)))
