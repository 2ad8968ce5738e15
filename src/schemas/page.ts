import { CONTENT_LANGUAGE, LOCATION, NO_STORE, SET_COOKIE } from './headers.js'

/** The content of an answer that is a page, in the language that the browser prefers. */
export const PAGE = { 'text/html': { schema: { type: 'string' } } } as const

export const pageResponse = (description: string) => ({
  description,
  headers: { 'cache-control': NO_STORE, 'content-language': CONTENT_LANGUAGE, 'set-cookie': SET_COOKIE },
  content: PAGE
}) as const

/** Without content: a browser follows it. */
export const redirectResponse = (description: string, cookie: object = SET_COOKIE) => ({
  type: 'null',
  description,
  headers: { 'cache-control': NO_STORE, 'location': LOCATION, 'set-cookie': cookie }
}) as const
