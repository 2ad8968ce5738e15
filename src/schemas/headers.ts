/** Response headers, as the document of the API describes them. @module */
import { LANGUAGES } from '../pages/language.js'

export const NO_STORE = {
  type: 'string', enum: ['no-store'], description: 'Answers are about one user at one moment.'
} as const

export const LOCATION = { type: 'string', description: 'Where the browser goes next.' } as const

export const SET_COOKIE = {
  type: 'string',
  description: 'The session cookie (`COOKIE_NAME`): HttpOnly, SameSite=Lax, Secure with https. Sent when it changes, ' +
    'and with every answer to a browser itself (`Sec-Fetch-Site`) unless `COOKIE_LIFETIME=absolute`.'
} as const

export const LOGIN_COOKIE = {
  type: 'string', description: 'The login cookie, which binds the login to this browser until it returns from Cognito.'
} as const

export const SIGN_IN_COOKIES = {
  type: 'string', description: 'The session cookie (`COOKIE_NAME`) with a new id. The login cookie is cleared.'
} as const

export const SIGN_OUT_COOKIES = {
  type: 'string', description: 'The session cookie (`COOKIE_NAME`) is cleared.'
} as const

export const CONTENT_LANGUAGE = { type: 'string', enum: LANGUAGES } as const

export const RETRY_AFTER = { type: 'integer', description: 'Seconds until it is worth asking again.' } as const

export const CHALLENGE = {
  type: 'string', description: 'RFC 9470 §3: `Bearer error="insufficient_user_authentication", max_age=…`.'
} as const
