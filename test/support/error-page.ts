import type { Page } from './browser.js'

/** Where an error page sends the browser at once by itself. */
export function restart (page: Page): string | undefined {
  const url = /<meta http-equiv="refresh" content="0;url=([^"]+)">/.exec(page.text)?.[1]
  return url === undefined ? undefined : new URL(decode(url), page.url).href
}

/** Where its button to sign in again leads. */
export const button = (page: Page): string => linkOf(page, 'Sign in again')

/** What the login asks for to which its button leads. */
export const retried = (page: Page): Record<string, string> => linked(page, 'Sign in again')

/** The query of the address to which the button with this text leads. */
export const linked = (page: Page, text: string): Record<string, string> =>
  Object.fromEntries(new URL(linkOf(page, text)).searchParams)

function linkOf (page: Page, text: string): string {
  const links = [...page.text.matchAll(/<a class="button[^"]*" href="([^"]+)">([^<]*)</g)]
  const [, href = ''] = links.find(([, , found]) => found === text) ?? []
  return new URL(decode(href), page.url).href
}

const decode = (text: string): string =>
  text.replaceAll(/&#(\d+);/g, (_all, code: string) => String.fromCharCode(Number(code)))
