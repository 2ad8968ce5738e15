import {
  ERR_DATABASE, ERR_OVERLOADED, ERR_RECENT_SIGN_IN, ERR_ROLE_NOT_GRANTED, ERR_UNAUTHENTICATED, ERR_VERIFY_QUERY
} from '../errors.js'
import { noIdentity, type HeaderNames } from '../verify/headers.js'
import { CHALLENGE, NO_STORE, RETRY_AFTER, SET_COOKIE } from './headers.js'
import { refusals } from './refusals.js'

const SIGN_IN = { type: 'string', description: 'Where the visitor signs in.' } as const

/** @param status of the answer that lets the visitor in. */
export function verifyResponses (status: 200 | 202, names: HeaderNames) {
  const all = Object.keys(noIdentity(names))
  const identity = Object.fromEntries(all.map((name) => [name, { type: 'string' }]))
  const told = refusals(
    ERR_VERIFY_QUERY, ERR_UNAUTHENTICATED, ERR_RECENT_SIGN_IN, ERR_ROLE_NOT_GRANTED, ERR_DATABASE, ERR_OVERLOADED
  )
  const headers = { 'cache-control': NO_STORE, ...identity }
  const extra: Record<string, object> = {
    401: { 'location': SIGN_IN, 'x-auth-login': SIGN_IN, 'www-authenticate': CHALLENGE },
    503: { 'retry-after': RETRY_AFTER }
  }
  return {
    [status]: {
      type: 'null',
      description: 'The visitor is signed in, as the query asks.',
      headers: { ...headers, 'set-cookie': SET_COOKIE }
    },
    ...Object.fromEntries(Object.entries(told).map(
      ([refused, response]) => [refused, { ...response, headers: { ...headers, ...extra[refused] } }]
    ))
  }
}
