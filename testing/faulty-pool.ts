/**
 * The local user pool behind a proxy that misbehaves on demand.
 *
 * @module
 */
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LocalCognito, LocalCognitoOptions } from '../local/cognito/index.js'
import { localCognito } from './local-cognito.js'
import { misbehave, type Misbehaviour } from './misbehaviour.js'

/** What goes wrong at the pool. */
export interface Fault {
  /** What `POST /oauth2/token` does. `invalid_grant`: as for a code or a refresh token that has expired. */
  token?: Misbehaviour | undefined
  /** What the key set does. The application keeps keys that it knows. */
  jwks?: Misbehaviour | undefined
  /** What `POST /oauth2/revoke` does. */
  revoke?: Misbehaviour | undefined
  /** The delay of the token endpoint's answers, in milliseconds. */
  delayMs?: number | undefined
  /** Every sign-in comes back to the callback with this error, such as `access_denied` (RFC 6749 §4.1.2.1). */
  signIn?: string | undefined
  /** ID tokens are issued an hour after they have expired. */
  expired?: boolean | undefined
}

/** A request of the application to the pool. `from`: the port that it came from. */
export interface BackChannelRequest {
  method: string
  path: string
  body: URLSearchParams
  headers: IncomingHttpHeaders
  from: number | undefined
}

/** The variables that lead the application to a pool. */
export type PoolEnvironment =
  Record<'COGNITO_DOMAIN' | 'COGNITO_ISSUER' | 'COGNITO_CLIENT_ID' | 'COGNITO_CLIENT_SECRET', string>

export interface FaultyPool {
  pool: LocalCognito
  env: PoolEnvironment
  /** Sets the fault from now on; `undefined` removes it. */
  fault: (kind: Fault | undefined) => void
  requests: BackChannelRequest[]
  /** Stops listening, so that connections are refused. */
  stop: () => Promise<void>
  /** Listens again on the same port. */
  start: () => Promise<void>
  close: () => Promise<void>
}

/** Changes what passes between the application and the pool. */
export interface Interceptor {
  /** The form that the pool gets instead; undefined: the request is answered with `invalid_grant`. */
  onRequest?: (asked: URLSearchParams) => URLSearchParams | undefined
  /** The body of the token endpoint's answer, instead of a valid one. */
  onTokens?: (answer: string, asked: URLSearchParams) => string
}

type Endpoint = 'token' | 'jwks' | 'revoke'

const BACK_CHANNEL: [RegExp, Endpoint][] = [
  [/^\/oauth2\/token$/, 'token'], [/^\/oauth2\/revoke$/, 'revoke'], [/\/\.well-known\/jwks\.json$/, 'jwks']
]

const HOUR_S = 3600

/** @param options of the pool; `port` is the proxy's, 0: any. */
export async function startFaultyPool (
  { port: wantedPort = 0, ...options }: Omit<LocalCognitoOptions, 'origin' | 'host'>, interceptor: Interceptor = {}
): Promise<FaultyPool> {
  const startPool = await localCognito()
  const requests: BackChannelRequest[] = []
  let fault: Fault = {}

  const front = createServer((incoming, response) => { void answer(incoming, response) })
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      front.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
  await listen(wantedPort)
  const { port } = front.address() as AddressInfo
  const pool = await startPool({ ...options, port: 0, origin: `http://localhost:${port}` }).catch(async (error) => {
    await stop()
    throw error
  })
  const { port: poolPort } = new URL(pool.listeningOn)

  async function answer (incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', pool.origin)
    const endpoint = BACK_CHANNEL.find(([pattern]) => pattern.test(url.pathname))?.[1]
    const body = await read(incoming).catch(() => undefined)
    if (body === undefined) return
    if (endpoint === undefined) {
      const refused = fault.signIn === undefined ? undefined : refusal(url, fault.signIn)
      if (refused === undefined) forward(incoming, response, body)
      else response.writeHead(302, { location: refused }).end()
      return
    }
    await answerBackChannel(endpoint, { incoming, response, path: url.pathname, text: body.toString() })
  }

  async function answerBackChannel (
    endpoint: Endpoint,
    { incoming, response, path, text }:
    { incoming: IncomingMessage, response: ServerResponse, path: string, text: string }
  ): Promise<void> {
    const { method = '', headers, socket: { remotePort: from } } = incoming
    requests.push({ method, path, body: new URLSearchParams(text), headers, from })
    const { [endpoint]: misbehaviour, delayMs = 0 } = fault
    const delay = () => new Promise((resolve) => { setTimeout(resolve, endpoint === 'token' ? delayMs : 0) })
    if (misbehaviour !== undefined) {
      await delay()
      misbehave(response, misbehaviour)
      return
    }
    const asked = new URLSearchParams(text)
    const { onRequest = (form: URLSearchParams) => form, onTokens = (tokens: string) => tokens } = interceptor
    const passed = onRequest(asked)
    if (passed === undefined) {
      misbehave(response, 'invalid_grant')
      return
    }
    const body = Buffer.from(passed.toString())
    if (endpoint !== 'token') {
      forward(incoming, response, body)
      return
    }
    forward(incoming, response, body, async (tokens) => {
      await delay()
      return onTokens(tokens, asked)
    })
  }

  function forward (
    incoming: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    change?: (body: string) => Promise<string>
  ): void {
    const onward = request({
      host: '127.0.0.1',
      port: poolPort,
      agent: false,
      method: incoming.method,
      path: incoming.url,
      headers: { ...incoming.headers, 'content-length': body.length }
    })
    onward.once('error', () => {
      response.destroy()
    })
    onward.once('response', (answered) => {
      read(answered)
        .then(async (bytes) => {
          const {
            statusCode = 502,
            headers: {
              'content-length': _length,
              'transfer-encoding': _encoding,
              connection: _connection,
              ...headers
            }
          } = answered
          const answer =
            change !== undefined && statusCode === 200 ? await change(bytes.toString()) : bytes
          response.writeHead(statusCode, headers).end(answer)
        })
        .catch(() => {
          response.destroy()
        })
    })
    onward.end(body)
  }

  async function stop (): Promise<void> {
    if (!front.listening) return
    const closed = new Promise((resolve) => { front.close(resolve) })
    front.closeAllConnections()
    await closed
  }

  return {
    pool,
    env: {
      COGNITO_DOMAIN: pool.origin,
      COGNITO_ISSUER: pool.issuer,
      COGNITO_CLIENT_ID: pool.clientId,
      COGNITO_CLIENT_SECRET: pool.clientSecret
    },
    fault: (kind) => {
      fault = kind ?? {}
      pool.useIdTokenTtl(fault.expired === true ? -HOUR_S : HOUR_S)
    },
    requests,
    stop,
    start: () => listen(port),
    async close () {
      await stop()
      await pool.close()
    }
  }
}

/** Where a refused sign-in ends; undefined for a request that is not the beginning of one. */
function refusal ({ pathname, searchParams }: URL, error: string): string | undefined {
  const redirectUri = searchParams.get('redirect_uri')
  if (!['/oauth2/authorize', '/signup'].includes(pathname) || redirectUri === null) return undefined
  const answer = new URL(redirectUri)
  answer.search = new URLSearchParams({ error, state: searchParams.get('state') ?? '' }).toString()
  return answer.href
}

async function read (stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}
