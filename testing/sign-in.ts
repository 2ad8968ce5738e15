import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { SESSION_COOKIE_PREFIX, sessionCookie } from '../src/cookies.js'
import type { User } from '../src/login/id-token.js'
import { applicationOf } from './application.js'
import { checkNames, type Names } from './known-names.js'
import { storageStateOf, type StorageState } from './storage-state.js'

export interface SignInOptions {
  /** Cognito's user id. */
  sub: string
  /** All roles that the user has, as `request.session.roles`. Each is one of `ROLES`. */
  roles: readonly string[]
  /** The role of the session: one of `roles`. Default: the first. */
  role?: string | undefined
  /** Default: none. */
  email?: string | undefined
  /** Further members of `user`, such as `name`, `username`, or the claims that `USER_CLAIMS` names. */
  claims?: Readonly<Record<string, string | number | boolean>> | undefined
  /** When the user signed in at the provider, in seconds since 1970. Default: now. */
  authTime?: number | undefined
}

const NAMES: Names<SignInOptions> = { sub: true, roles: true, role: true, email: true, claims: true, authTime: true }

/** A session of the application, as a client needs it. */
export interface SignedIn {
  /** For `app.inject` and `fetch`. `origin` is that of `PUBLIC_URL`, without which a POST or DELETE is refused. */
  headers: { cookie: string, origin: string }
  /** The session cookie. `value` is encoded, as it is in a `Cookie` header. */
  cookie: { name: string, value: string }
  /** For `browser.newContext({ storageState })` of Playwright, at the application's `PUBLIC_URL`. */
  storageState: StorageState
}

/**
 * Signs a user in without a provider: the application's own store gets a session, and its own secret signs the cookie.
 * The session is as after a sign-in, but has no tokens of a provider: `request.accessToken()` refuses it.
 *
 * @param app a Fastify instance on which cashsouk-auth is registered. It is made ready.
 * @throws {TypeError} for an instance without cashsouk-auth, for options that do not exist, and for roles that the
 * application does not have.
 * @throws {ERR_DATABASE} {ERR_SESSION_VALUE}
 */
export async function signIn (app: FastifyInstance, options: SignInOptions): Promise<SignedIn> {
  checkNames('signIn: the options', options, NAMES)
  const { config, store, sign } = await applicationOf(app)
  const { sub, roles, role, email, claims, authTime = Math.floor(Date.now() / 1000) } = options
  if (typeof sub !== 'string' || sub === '') throw new TypeError('signIn: sub must be a text that is not empty')
  const { name, attributes } = sessionCookie(config)
  const id = randomBytes(24).toString('base64url') // as @fastify/session makes it
  const user: User = { sub, ...(email === undefined ? {} : { email, emailVerified: true }), ...claims }
  const session = {
    cookie: cookieOf(attributes),
    user,
    ...checkedRoles(config.ROLES, roles, role),
    authTime,
    completedLogins: [],
    client: { ip: '127.0.0.1' }
  }
  await store.promises.set(id, session)
  const value = encodeURIComponent(SESSION_COOKIE_PREFIX + sign(id))
  return {
    headers: { cookie: `${name}=${value}`, origin: new URL(config.PUBLIC_URL).origin },
    cookie: { name, value },
    storageState: storageStateOf(config.PUBLIC_URL, { name, value, attributes })
  }
}

/** The cookie in the row, as @fastify/session writes it. */
function cookieOf ({ maxAge, ...attributes }: ReturnType<typeof sessionCookie>['attributes']) {
  const originalMaxAge = maxAge * 1000
  return { domain: null, ...attributes, expires: new Date(Date.now() + originalMaxAge), originalMaxAge }
}

function checkedRoles (
  known: readonly string[], roles: readonly string[], role: string | undefined = roles?.[0]
): { role: string, roles: string[] } {
  const given: unknown = roles
  if (!Array.isArray(given)) throw new TypeError('signIn: roles must be an array of roles')
  const unknown = roles.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`signIn: ${unknown} is not one of ROLES (${known.join(', ')})`)
  if (role === undefined) throw new TypeError('signIn: roles must have one role at least')
  if (!roles.includes(role)) throw new TypeError(`signIn: the role ${role} is not one of the roles`)
  return { role, roles: known.filter((name) => roles.includes(name)) }
}
