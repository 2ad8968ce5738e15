/**
 * Local Cognito: acts as an Amazon Cognito user pool with managed login on a developer's machine and in tests.
 *
 * As at Cognito, the browser has a session of the pool for an hour after a sign-in, and the next authorization
 * request is answered from it without a page, unless `prompt=login` asks for one. `auth_time` is the time of the
 * sign-in on the page. `max_age` is honoured as OpenID Connect Core §3.1.2.1 has it; AWS does not document it for
 * Cognito.
 *
 * It has no passwords, factors, recovery, triggers, external identity providers or passkeys, and no user can be added.
 * `identity_provider` and `lang` are accepted and have no effect. There is one app client, with a secret, and no limit
 * on requests. The classic hosted UI, which ignores `prompt`, is not modelled.
 *
 * @module
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Issuers, type IssuerType } from './issuers.js'
import { poolSecrets } from './keys.js'
import { createProvider } from './provider.js'
import { sampleUsers, type SampleUser } from './sample-users.js'
import { Users } from './users.js'

export interface LocalCognito {
  /** `COGNITO_DOMAIN`, such as `http://localhost:3999`. */
  origin: string
  /** `COGNITO_ISSUER`: the issuer at the start. */
  issuer: string
  /** Both forms of the issuer. */
  issuers: Readonly<Record<IssuerType, string>>
  /** Changes the issuer of the tokens that are issued from now on. */
  useIssuer: (type: IssuerType) => void
  /** Changes the lifetime of ID tokens that are issued from now on, in seconds. */
  useIdTokenTtl: (seconds: number) => void
  userPoolId: string
  clientId: string
  clientSecret: string
  /** Origin of the pool's own listener. Differs from `origin` if there is a proxy in front. */
  listeningOn: string
  /** Also cuts open connections. May be called more than once. */
  close: () => Promise<void>
}

export interface LocalCognitoOptions {
  /** Used if it is free, otherwise any free port is; 0: any free port. Default 3999. */
  port?: number | undefined
  /** Address to listen on. Default `127.0.0.1`. */
  host?: string | undefined
  /** Origin at which browsers reach the pool, if there is a proxy in front. */
  origin?: string | undefined
  /** Callback URLs, compared exactly. */
  redirectUris: string[]
  /** Sign-out URLs, compared exactly. */
  logoutUris: string[]
  /** Keeps signing keys and client secret between runs. Without it they are new at each start. */
  dataDir?: string | undefined
  /** Lifetime of an access token in seconds. Default 3600. */
  accessTokenTtl?: number | undefined
  /** The users. Default: the sample users. */
  users?: readonly SampleUser[] | undefined
  /** Form of the issuer. Default `original`. */
  issuer?: IssuerType | undefined
}

const USER_POOL_ID = 'eu-west-1_LocalPool'
const CLIENT_ID = 'cashsouklocalappclient0001'
const DEFAULT_PORT = 3999
const TOKEN_TTL_S = 3600

/**
 * Starts the pool. Codes, sessions and refresh tokens end with the process. With a `dataDir`, tokens still
 * verify after a restart.
 */
export async function startCognito (options: LocalCognitoOptions): Promise<LocalCognito> {
  const { port = DEFAULT_PORT, host = '127.0.0.1', redirectUris, logoutUris, dataDir } = options
  const { accessTokenTtl = TOKEN_TTL_S, users = sampleUsers } = options
  const lifetimes = { idToken: TOKEN_TTL_S, accessToken: accessTokenTtl }
  const secrets = await poolSecrets(dataDir)
  const server = await listen(port, host)
  const listeningOn = `http://localhost:${(server.address() as AddressInfo).port}`
  const origin = options.origin ?? listeningOn
  const issuers = new Issuers(origin, USER_POOL_ID, options.issuer ?? 'original')
  const pool = {
    origin, issuers, clientId: CLIENT_ID, redirectUris, logoutUris, secrets, users: new Users(users), lifetimes
  }
  try {
    const listener = createProvider(pool).callback()
    server.on('request', (request, response) => { void listener(request, response) })
  } catch (error) {
    await close(server)
    throw error
  }
  return {
    origin,
    issuer: issuers.current,
    issuers: issuers.forms,
    useIssuer: (type) => { issuers.type = type },
    useIdTokenTtl: (seconds) => { lifetimes.idToken = seconds },
    userPoolId: USER_POOL_ID,
    clientId: CLIENT_ID,
    clientSecret: secrets.clientSecret,
    listeningOn,
    close: () => close(server)
  }
}

async function listen (port: number, host: string): Promise<Server> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(port, host, resolve) })
    return server
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE' && port !== 0) return listen(0, host)
    throw error
  }
}

async function close (server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise((resolve) => { server.close(resolve) })
  server.closeAllConnections()
  await closed
}
