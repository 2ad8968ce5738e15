import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Binding } from '../src/device-bound/binding.js'
import type { CompletedLogin } from '../src/login/completed-logins.js'
import type { User } from '../src/login/id-token.js'
import type { KeptAccessToken } from '../src/login/session-tokens.js'
import type { SessionClient } from '../src/session-client.js'
import type { Config } from '../src/variables.js'
import type { PgSessionStore } from '../src/sessions/index.js'

/** What an application may need of the package besides requests and guards. */
export interface CashsoukAuth {
  /** The checked configuration, named as the variables. It has the secrets. */
  readonly config: Config
  /** The session table, such as for `destroyByUser`. */
  readonly sessionStore: PgSessionStore
  readonly draining: {
    /** Whether the process is about to stop. */
    readonly started: boolean
    /** How many requests to the routes of this package are being answered. */
    readonly inFlight: number
    /** The routes of this package close their connections from now on, and the health routes say 503. */
    start (): void
  }
}

declare module 'fastify' {
  interface Session {
    /** Who is signed in; absent for a guest. */
    user?: User
    /** The role that was asked for at sign-in, and granted. */
    role?: string
    /** All roles of the user. */
    roles?: string[]
    /** Cognito's refresh token, encrypted: to renew the access token, and to be revoked at sign-out. */
    refreshToken?: string
    /** Cognito's access token, encrypted, for `request.accessToken()`. */
    accessToken?: KeptAccessToken
    /** When the user signed in at the provider (`auth_time`), in seconds since 1970. Absent if it did not say. */
    authTime?: number
    /** The last logins that ended in this session. */
    completedLogins?: CompletedLogin[]
    /** The browser that signed in, as it named itself, and its address. Absent in sessions of earlier versions. */
    client?: SessionClient
    /** The device that the session is bound to, or the offer to bind it (`DEVICE_BOUND_SESSIONS`). */
    deviceBinding?: Binding
  }
  interface FastifyRequest {
    /** Who is signed in; undefined for a guest. */
    readonly user: User | undefined
    /**
     * An access token of the signed-in user, for the application's own calls. It is renewed before it expires, by one
     * process at a time per session. The user's groups are read with it: `request.session.roles` is current
     * afterwards, and a session whose role is no longer granted has ended.
     *
     * @throws {ERR_UNAUTHENTICATED} 401 for a guest, and when Cognito refuses to renew: then the session has ended.
     * @throws {ERR_COGNITO_ANSWER} 502 {ERR_COGNITO_TIMEOUT} 504 when the token has expired and there is no new one.
     * @throws {ERR_DATABASE} 503
     */
    accessToken (): Promise<string>
  }
  interface FastifyInstance {
    cashsoukAuth: CashsoukAuth
  }
}

/** What the package adds to the application's scope, on the instance and on requests. */
const INSTANCE = ['cashsoukAuth', 'requireSession', 'requireRole', 'requireRecentSignIn'] as const
const REQUEST = ['session', 'user', 'accessToken'] as const

/** The decorators that the scope has already. It can then not be that of the package. */
export function takenNames (host: FastifyInstance): string[] {
  return [
    ...INSTANCE.filter((name) => host.hasDecorator(name)).map((name) => `fastify.${name}`),
    ...REQUEST.filter((name) => host.hasRequestDecorator(name)).map((name) => `request.${name}`)
  ]
}

const INNER = Symbol('cashsouk-auth')

/** The encapsulated instance of the package. For tests: no application needs it. */
export const innerOf = (host: FastifyInstance): FastifyInstance => Reflect.get(host, INNER) as FastifyInstance

/** Marks the scope that has the routes of the package. */
export const INSIDE = Symbol('inside of cashsouk-auth')

/**
 * Decorates requests of the application's scope, before the package's own scope is made: that one then has the same.
 *
 * @param inner called once requests are served.
 */
export function decorateRequests (host: FastifyInstance, inner: () => FastifyInstance): void {
  host.decorateRequest('session', null as never)
  host.decorateRequest('user', { getter (this: FastifyRequest) { return userOf(this) } })
  host.decorateRequest('accessToken', async function (this: FastifyRequest) { return inner().accessTokenOf(this) })
}

/** Decorates the application's scope with the rest of what the package promises, and adds the hooks of sessions. */
export default fp<{ inner: FastifyInstance }>(async (host, { inner }) => {
  const { config, draining, sessionStore } = inner
  host.decorate('cashsoukAuth', Object.freeze({ config, sessionStore, draining }))
  host.decorate('requireSession', outside(inner.requireSession))
  host.decorate('requireRole', (role: string) => outside(inner.requireRole(role)))
  host.decorate('requireRecentSignIn', (maxAge: number) => outside(inner.requireRecentSignIn(maxAge)))
  host.decorate(INNER, inner)
  inner.requestSessions.addHooks(host)
  inner.tokens.addHooks(host)
}, { name: 'cashsouk-auth:host', fastify: '5.x' })

type Guard = FastifyInstance['requireSession']

/** A guard that an application sets for its whole scope must not close the sign-in itself. */
const outside = (guard: Guard): Guard => async (request, reply) => {
  if (Reflect.get(request.server, INSIDE) !== true) await guard(request, reply)
}

/** There is no session before it is loaded, and where there is no route. */
const userOf = ({ session }: { session: { user?: User } | null }): User | undefined => session?.user
