import { NO_STORE, SET_COOKIE } from './headers.js'

/** The answer after sessions have ended, without content. */
export const endedResponse = (description: string) => ({
  type: 'null', description, headers: { 'cache-control': NO_STORE, 'set-cookie': SET_COOKIE }
}) as const
