import type { LocalCognitoOptions } from '../local/cognito/index.js'
import { startFaultyPool, type BackChannelRequest, type Fault, type PoolEnvironment } from './faulty-pool.js'
import { checkNames, type Names } from './known-names.js'
import { checkMisbehaviour } from './misbehaviour.js'
import { poolUsers, type Person } from './people.js'
import { signInAtPool } from './pool-sign-in.js'

export interface CognitoOptions {
  /** The origin of the application, as its `PUBLIC_URL`. Default `http://localhost:3000`. */
  publicUrl?: string | undefined
  /** The callback URLs, compared exactly. Default: `/api/auth/callback` of `publicUrl`. */
  redirectUris?: readonly string[] | undefined
  /** The sign-out URLs, compared exactly. Default: `/` of `publicUrl`. */
  logoutUris?: readonly string[] | undefined
  /** Default: `alice` without a group, `bob` in the group `ISSUER`, `carol` in the group `ADMIN`. */
  people?: readonly Person[] | undefined
  /** The port of the pool. Default: any that is free. */
  port?: number | undefined
  /** The lifetime of an access token, in seconds. Default 3600. */
  accessTokenTtl?: number | undefined
  /** Keeps the signing keys and the client secret between runs. Default: they are new at each start. */
  dataDir?: string | undefined
}

const NAMES: Names<CognitoOptions> = {
  publicUrl: true,
  redirectUris: true,
  logoutUris: true,
  people: true,
  port: true,
  accessTokenTtl: true,
  dataDir: true
}

const FAULTS: Names<Fault> = { token: true, jwks: true, revoke: true, delayMs: true, signIn: true, expired: true }

/** A user pool that runs in this process. */
export interface Cognito {
  /** The variables that lead the application to this pool. */
  env: PoolEnvironment
  /**
   * Sets what goes wrong from now on, instead of what was set before; without an argument, nothing does.
   *
   * @throws {TypeError} for a fault that does not exist.
   */
  fail: (fault?: Fault) => void
  /** The requests of the application to the pool so far, the oldest first. */
  requests: readonly BackChannelRequest[]
  /**
   * Signs a user in on the pool's page, as a browser without a session of the pool does.
   *
   * @param authorizeUrl where the application's login redirects to.
   * @returns the callback's URL, with `code` or `error`, which is not requested.
   * @throws {Error} when the pool shows an error page instead.
   */
  signIn: (authorizeUrl: string, username: string) => Promise<string>
  /** Stops listening, so that connections are refused. */
  stop: () => Promise<void>
  /** Listens again on the same port. */
  start: () => Promise<void>
  /** Ends the pool. May be called more than once. */
  close: () => Promise<void>
}

/**
 * Starts a stand-in for an Amazon Cognito user pool with managed login, on a port of 127.0.0.1. A browser finds
 * a page with a button for each person; there are no passwords.
 *
 * @throws {Error} when oidc-provider is not installed.
 * @throws {TypeError} for options that do not exist, and for people without a username, or with the same one.
 */
export async function startCognito (options: CognitoOptions = {}): Promise<Cognito> {
  checkNames('startCognito: the options', options, NAMES)
  const { publicUrl = 'http://localhost:3000', redirectUris, logoutUris, people, ...others } = options
  const { origin } = new URL(publicUrl)
  const pool: LocalCognitoOptions = {
    ...others,
    redirectUris: [...redirectUris ?? [`${origin}/api/auth/callback`]],
    logoutUris: [...logoutUris ?? [`${origin}/`]],
    ...(people === undefined ? {} : { users: poolUsers(people) })
  }
  const { env, fault, requests, stop, start, close } = await startFaultyPool(pool)
  const fail = (kind?: Fault): void => {
    if (kind !== undefined) checkFault(kind)
    fault(kind)
  }
  return { env, fail, requests, signIn: signInAtPool, stop, start, close }
}

function checkFault (kind: Fault): void {
  checkNames('fail: the fault', kind, FAULTS)
  const { token, jwks, revoke } = kind
  for (const [name, value] of Object.entries({ token, jwks, revoke })) {
    if (value !== undefined) checkMisbehaviour(`fail: ${name}`, value)
  }
}
