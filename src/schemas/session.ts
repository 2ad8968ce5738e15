import { NO_STORE, SET_COOKIE } from './headers.js'

const TIME = { type: 'string', format: 'date-time' } as const

/** {@link User}. Open, because `USER_CLAIMS` names further claims. */
const SignedInUser = {
  title: 'User',
  type: 'object',
  additionalProperties: true,
  required: ['sub'],
  properties: {
    sub: { type: 'string', description: 'Cognito\'s user id.' },
    email: { type: 'string' },
    emailVerified: { type: 'boolean' },
    name: { type: 'string' },
    username: { type: 'string', description: '`cognito:username`.' }
  },
  description: 'Who is signed in, with the claims that `USER_CLAIMS` names.'
} as const

/** {@link SessionAnswer}, with the properties in the order in which they are sent. */
export const SessionSchema = {
  title: 'Session',
  type: 'object',
  required: [
    'user', 'createdAt', 'expiresAt', 'absoluteExpiresAt', 'expiresInSeconds',
    'absoluteExpiresInSeconds', 'serverTime'
  ],
  properties: {
    user: SignedInUser,
    role: {
      type: 'string', description: 'The role that was asked for at sign-in. Absent if the application has dropped it.'
    },
    roles: { type: 'array', items: { type: 'string' }, description: 'All roles of the user.' },
    authTime: { ...TIME, description: 'When the user last authenticated at Cognito, if that is known.' },
    createdAt: TIME,
    expiresAt: { ...TIME, description: 'When the session ends if it is not used: a lower bound.' },
    absoluteExpiresAt: { ...TIME, description: 'When the session ends however much it is used.' },
    expiresInSeconds: { type: 'integer', description: 'Whole seconds from `serverTime` to `expiresAt`.' },
    absoluteExpiresInSeconds: {
      type: 'integer', description: 'Whole seconds from `serverTime` to `absoluteExpiresAt`.'
    },
    serverTime: TIME,
    deviceBound: {
      type: 'boolean',
      description: 'Whether the session is bound to its device. Absent with `DEVICE_BOUND_SESSIONS=off`.'
    }
  }
} as const

/** The answer of `GET /api/auth/me` and `POST /api/auth/extend`. */
export const sessionResponse = {
  ...SessionSchema,
  description: 'The session.',
  headers: { 'cache-control': NO_STORE, 'set-cookie': SET_COOKIE },
  examples: [{
    user: {
      sub: '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f',
      email: 'carol@example.com',
      emailVerified: true,
      name: 'Carol Sample',
      username: 'carol'
    },
    role: 'ADMIN',
    roles: ['INVESTOR', 'ISSUER', 'ADMIN'],
    authTime: '2026-01-31T08:59:58.000Z',
    createdAt: '2026-01-31T09:00:00.000Z',
    expiresAt: '2026-01-31T09:15:00.000Z',
    absoluteExpiresAt: '2026-01-31T21:00:00.000Z',
    expiresInSeconds: 890,
    absoluteExpiresInSeconds: 43_190,
    serverTime: '2026-01-31T09:00:10.000Z'
  }]
} as const
