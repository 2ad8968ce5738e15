import { CONTENT_LANGUAGE, LOCATION, NO_STORE, SET_COOKIE } from './headers.js'

/** The content of an answer that is a page, in the language that the browser prefers. */
export const PAGE = { 'text/html': { schema: { type: 'string' } } } as const

export const pageResponse = (description: string) => ({
  description,
  headers: { 'cache-control': NO_STORE, 'content-language': CONTENT_LANGUAGE, 'set-cookie': SET_COOKIE },
  content: PAGE
}) as const

/**
 * Without content: a browser follows it.
 *
 * @param cookie what is set with it; null: nothing.
 */
export const redirectResponse = (description: string, cookie: object | null = SET_COOKIE) => ({
  type: 'null',
  description,
  headers: { 'cache-control': NO_STORE, 'location': LOCATION, ...(cookie === null ? {} : { 'set-cookie': cookie }) }
}) as const
