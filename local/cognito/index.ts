/**
 * A stand-in for an Amazon Cognito user pool, for a developer's machine and for tests.
 *
 * @module
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { poolSecrets } from './keys.js'
import { createProvider } from './provider.js'

export interface LocalCognito {
  /** `COGNITO_DOMAIN`, such as `http://localhost:3999`. */
  origin: string
  /** `COGNITO_ISSUER`: the origin, then the pool's id. */
  issuer: string
  userPoolId: string
  clientId: string
  clientSecret: string
  /** Where the pool itself listens: the origin, unless a proxy stands before it. */
  listeningOn: string
  /** Cuts open connections. May be called again. */
  close: () => Promise<void>
}

export interface LocalCognitoOptions {
  /** Taken if free, else any free one; 0: any free one. Default 3999. */
  port?: number
  /** Address to listen on. Default `127.0.0.1`. */
  host?: string
  /** Origin at which browsers reach the pool, where a proxy stands before it. */
  origin?: string
  /** Callback URLs, compared as they are. */
  redirectUris: string[]
  /** Sign-out URLs, compared as they are. */
  logoutUris: string[]
  /** Where signing keys and client secret are kept between runs; without it they are new each time. */
  dataDir?: string
  /** Lifetime of an access token in seconds. Default 3600. */
  accessTokenTtl?: number
}

const USER_POOL_ID = 'eu-west-1_LocalPool'
const CLIENT_ID = 'cashsouklocalappclient0001'
const PORT = 3999

/** Starts the pool. Codes, sessions and refresh tokens end with it; with a `dataDir`, tokens verify across a restart. */
export async function startCognito (options: LocalCognitoOptions): Promise<LocalCognito> {
  const { port = PORT, host = '127.0.0.1', redirectUris, logoutUris, dataDir, accessTokenTtl = 3600 } = options
  const secrets = await poolSecrets(dataDir)
  const server = await listen(port, host)
  const listeningOn = `http://localhost:${(server.address() as AddressInfo).port}`
  const origin = options.origin ?? listeningOn
  const issuer = `${origin}/${USER_POOL_ID}`
  try {
    const provider = createProvider({ origin, issuer, clientId: CLIENT_ID, redirectUris, logoutUris, secrets, accessTokenTtl })
    const listener = provider.callback()
    server.on('request', (request, response) => { void listener(request, response) })
  } catch (error) {
    await close(server)
    throw error
  }
  return {
    origin, issuer, userPoolId: USER_POOL_ID, clientId: CLIENT_ID, clientSecret: secrets.clientSecret, listeningOn,
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
