import { NO_STORE } from './headers.js'

const BOUND_COOKIE = {
  type: 'string',
  description: 'The cookie that shows the device: HttpOnly, SameSite=Lax, Secure, for ten minutes.'
} as const

const NEXT_CHALLENGE = {
  type: 'string', description: 'The next challenge, `"CHALLENGE";id="IDENTIFIER"`. It is good once, for a minute.'
} as const

const HEADERS = { 'cache-control': NO_STORE, 'set-cookie': BOUND_COOKIE, 'secure-session-challenge': NEXT_CHALLENGE }

/** The session instructions of Device Bound Session Credentials. */
export const instructionsResponse = {
  title: 'SessionInstructions',
  type: 'object',
  required: ['session_identifier', 'refresh_url', 'scope', 'credentials', 'allowed_refresh_initiators'],
  properties: {
    session_identifier: { type: 'string', description: 'Names the session at a refresh. It is no session id.' },
    refresh_url: { type: 'string' },
    scope: {
      type: 'object',
      required: ['origin', 'include_site'],
      properties: { origin: { type: 'string' }, include_site: { type: 'boolean' } }
    },
    credentials: {
      type: 'array',
      items: {
        type: 'object',
        required: ['type', 'name', 'attributes'],
        properties: {
          type: { type: 'string', enum: ['cookie'] },
          name: { type: 'string' },
          attributes: { type: 'string' }
        }
      }
    },
    allowed_refresh_initiators: { type: 'array', items: { type: 'string' } }
  },
  description: 'The session is bound.',
  headers: HEADERS
} as const

export const refreshedResponse = {
  type: 'null', description: 'The cookie is renewed. The session instructions stay as they are.', headers: HEADERS
} as const
