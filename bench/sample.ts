/**
 * The sessions and answers that all contestants share. A session has about 1 KB.
 *
 * @module
 */
import { createHash, createHmac } from 'node:crypto'

/** Signs every contestant's cookies. */
export const SECRET = 'a secret that only the benchmark uses'

/** Idle lifetime. No run takes as long, so no session expires. */
export const TTL_S = 86_400

/** Absolute lifetime, long enough not to limit any expiry. */
export const ABSOLUTE_TTL_S = TTL_S * 10

/** In place of Cognito's refresh token. Makes the JSON of a session about 1 KB long. */
const REFRESH_TOKEN = createHash('sha512').update('refresh token').digest('base64url').repeat(7)

export type Workload = 'read' | 'rolling' | 'change'

/** The id of session `n`: 32 characters, distributed like real ids. {@link ID_SQL} computes the same. */
export const idOf = (n: number): string => createHash('sha256').update(String(n)).digest('base64url').slice(0, 32)

/** {@link idOf} as an expression of the column `n`. */
export const ID_SQL = 'left(translate(encode(sha256(n::text::bytea), \'base64\'), \'+/=\', \'-_\'), 32)'

/** `sub` of all ID tokens from the stub of Cognito. */
export const PROVIDER_SUB = '5d2f0c4e-9a1b-4c3d-8e7f-0123456789ab'

const ROLE = 'INVESTOR'

const subOf = (n: number): string => `5d2f0c4e-9a1b-4c3d-8e7f-${String(n).padStart(12, '0')}`

/** Sessions were last used within the past minute, so that touches, due once a minute, are spread evenly. */
const LAST_USED_MS = 60_000

export interface SampleSession {
  cookie: Record<string, unknown>
  createdAt: number
  [key: string]: unknown
}

/** A signed-in session, with the cookie of an express-session that has a `maxAge`. */
export function sessionOf (n: number): SampleSession {
  const username = `person-${n}`
  const expires = new Date(Date.now() + TTL_S * 1000 - Math.random() * LAST_USED_MS)
  return {
    cookie: { originalMaxAge: TTL_S * 1000, expires, secure: false, httpOnly: true, path: '/', sameSite: 'lax' },
    user: { sub: subOf(n), email: `${username}@example.com`, emailVerified: true, name: `Person ${n}`, username },
    role: ROLE,
    roles: [ROLE, 'ISSUER'],
    refreshToken: REFRESH_TOKEN,
    createdAt: Date.now()
  }
}

/** The answer of `read` and `rolling` for session `n`. */
export const bodyOf = (n: number): { sub: string, role: string } => ({ sub: subOf(n), role: ROLE })

export type SignedSession = Partial<{ user: { sub: string }, role: string, n: number }>

/**
 * The route that all contestants serve: it reads the session, and in `change` also increments a counter.
 *
 * @returns undefined without a signed-in user.
 */
export function answer (workload: Workload, session: SignedSession): object | undefined {
  const { user, role } = session
  if (user === undefined) return undefined
  if (workload !== 'change') return { sub: user.sub, role }
  session.n = (session.n ?? 0) + 1
  return { sub: user.sub, role, n: session.n }
}

/** Signs an id like cookie-signature, @fastify/cookie and express-session. */
export const signed = (id: string): string =>
  `${id}.${createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '')}`
