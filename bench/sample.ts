/**
 * What every contestant keeps and answers: the same people, the same sessions of about 1 KB.
 *
 * @module
 */
import { createHash, createHmac } from 'node:crypto'

/** Signs every contestant's cookies. */
export const SECRET = 'a secret of the benchmark and of nothing else'

/** Lifetime of a session, in seconds: longer than any run, so that none expires in a measurement. */
export const TTL = 86_400

/** The absolute lifetime where there is one, in seconds: far enough to change no expiry. */
export const ABSOLUTE_TTL = TTL * 10

/** What stands for Cognito's refresh token; brings a session to about 1 KB of JSON. */
const REFRESH_TOKEN = createHash('sha512').update('refresh token').digest('base64url').repeat(7)

export type Workload = 'read' | 'rolling' | 'change'

/** Of the session `n`: 32 characters, as random to a B-tree as a real one. SQL can make the same: {@link ID_SQL}. */
export const idOf = (n: number): string => createHash('sha256').update(String(n)).digest('base64url').slice(0, 32)

/** {@link idOf} of the number `n`, for PostgreSQL. */
export const ID_SQL = 'left(translate(encode(sha256(n::text::bytea), \'base64\'), \'+/=\', \'-_\'), 32)'

const ROLE = 'INVESTOR'

const subOf = (n: number): string => `5d2f0c4e-9a1b-4c3d-8e7f-${String(n).padStart(12, '0')}`

/** Each session was last used at some moment of the past minute, so that what is due each minute is due evenly. In milliseconds. */
const LAST_USED_MS = 60_000

/** A signed-in session, with the cookie of an express-session that has a `maxAge`. */
export function sessionOf (n: number): { cookie: Record<string, unknown>, createdAt: number, [key: string]: unknown } {
  const expires = new Date(Date.now() + TTL * 1000 - Math.random() * LAST_USED_MS)
  return {
    cookie: { originalMaxAge: TTL * 1000, expires, secure: false, httpOnly: true, path: '/', sameSite: 'lax' },
    user: { sub: subOf(n), email: `person-${n}@example.com`, emailVerified: true, name: `Person ${n}`, username: `person-${n}` },
    role: ROLE,
    roles: [ROLE, 'ISSUER'],
    refreshToken: REFRESH_TOKEN,
    createdAt: Date.now()
  }
}

/** What the route of `read` and `rolling` answers for the session `n`. */
export const bodyOf = (n: number): { sub: string, role: string } => ({ sub: subOf(n), role: ROLE })

export type SignedSession = Partial<{ user: { sub: string }, role: string, n: number }>

/**
 * The one route that all contestants serve: it reads from the session, and in `change` also counts in it.
 * Undefined: nobody is signed in.
 */
export function answer (workload: Workload, session: SignedSession): object | undefined {
  const { user, role } = session
  if (user === undefined) return undefined
  if (workload !== 'change') return { sub: user.sub, role }
  session.n = (session.n ?? 0) + 1
  return { sub: user.sub, role, n: session.n }
}

/** A value signed as cookie-signature, @fastify/cookie and express-session do. */
export const signed = (id: string): string =>
  `${id}.${createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '')}`
