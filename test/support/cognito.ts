/**
 * The local user pool behind a proxy that misbehaves on demand.
 *
 * @module
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject
} from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import {
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { t as file, type Test } from 'tap'
import { startCognito, type LocalCognito } from '../../local/cognito/index.js'
import { poolSecrets } from '../../local/cognito/keys.js'

/** What an endpoint does instead of answering. */
export type Misbehaviour =
  | 'hang' // accepts, never answers
  | 'stall' // headers and the beginning of a body, then nothing
  | 'reset' // resets the connection once the request is read
  | 'endless' // a body without end
  | 'huge-header'
  | 'html' // 200
  | 'garbage' // 200, JSON by its content type only
  | 'empty' // 200
  | 'invalid_grant' | 'invalid_client' // 400, as from Cognito
  | 404 | 429 | 500 | 503

export type Claims = Record<string, unknown>

/**
 * A forged ID token. `alg` decides the signature: RS256 with the pool's key, HS256 with its public key as the
 * secret, `none` without a signature.
 */
export type Forgery = (claims: Claims, header: Claims) => { claims: Claims, header: Claims }

export interface Fault {
  token?: Misbehaviour
  jwks?: Misbehaviour
  revoke?: Misbehaviour
  /** The ID token of an otherwise valid token response. `foreign-key`: another RSA key with the pool's `kid`. */
  idToken?: 'missing' | 'unsigned' | 'foreign-key' | Forgery
  /** Changes the token response, before the ID token is forged. */
  tokens?: Rewrite
  /** The delay of the token endpoint's answer, in milliseconds. */
  delayMs?: number
  /** Refresh tokens work once and return a successor, as with Cognito's rotation. */
  rotate?: boolean
}

/** Changes a valid token response. */
export type Rewrite = (answer: Record<string, unknown>, asked: URLSearchParams) => Record<string, unknown>

/** A request to the back channel. `from`: the client's port. */
export interface BackChannelRequest {
  method: string
  path: string
  body: URLSearchParams
  headers: IncomingHttpHeaders
  from: number | undefined
}

export interface FaultyCognito extends Pick<LocalCognito, 'issuers' | 'useIssuer'> {
  /** Ready to be merged into the server's configuration. */
  env: Record<'COGNITO_DOMAIN' | 'COGNITO_ISSUER' | 'COGNITO_CLIENT_ID' | 'COGNITO_CLIENT_SECRET', string>
  /** Sets the fault from now on; `undefined` removes it. */
  fault: (kind: Fault | undefined) => void
  requests: BackChannelRequest[]
  /** Stops listening, so that connections are refused. */
  stop: () => Promise<void>
  /** Listens again on the same port. */
  start: () => Promise<void>
  close: () => Promise<void>
}

const BACK_CHANNEL: [RegExp, 'token' | 'jwks' | 'revoke'][] = [
  [/^\/oauth2\/token$/, 'token'], [/^\/oauth2\/revoke$/, 'revoke'], [/\/\.well-known\/jwks\.json$/, 'jwks']
]

let folder: Promise<string> | undefined
let foreignKey: KeyObject | undefined

file.teardown(async () => {
  if (folder !== undefined) await rm(await folder, { recursive: true, force: true })
})

/** A `dataDir` for all pools of the process, because making a key takes 0.1 s. */
export const keyFolder = (): Promise<string> => (folder ??= mkdtemp(join(tmpdir(), 'local-cognito-')))

/** Starts a pool for one test. The sign-out URL is `/` of the first callback's origin unless given. */
export async function cognito (
  t: Test, { callbackUrl, logoutUrl }: { callbackUrl: string | string[], logoutUrl?: string | string[] }
): Promise<FaultyCognito> {
  const redirectUris = [callbackUrl].flat()
  const dataDir = await keyFolder()
  const requests: BackChannelRequest[] = []
  let fault: Fault = {}
  const rotation = new Rotation()

  const front = createServer((incoming, response) => { void answer(incoming, response) })
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      front.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
  await listen(0)
  const { port } = front.address() as AddressInfo
  const pool = await startCognito({
    port: 0,
    origin: `http://localhost:${port}`,
    redirectUris,
    logoutUris: [logoutUrl ?? `${new URL(redirectUris[0] as string).origin}/`].flat(),
    dataDir
  })
  const { port: poolPort } = new URL(pool.listeningOn)
  const { idTokenKey } = await poolSecrets(dataDir)
  const poolKey = createPrivateKey({ key: idTokenKey, format: 'jwk' })

  async function answer (incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(incoming.url ?? '/', pool.origin).pathname
    const endpoint = BACK_CHANNEL.find(([pattern]) => pattern.test(path))?.[1]
    const body = await read(incoming).catch(() => undefined)
    if (body === undefined) return
    if (endpoint === undefined) return forward(incoming, response, body)
    requests.push({
      method: incoming.method ?? '',
      path,
      body: new URLSearchParams(body.toString()),
      headers: incoming.headers,
      from: incoming.socket.remotePort
    })
    const { [endpoint]: misbehaviour, idToken, tokens: rewrite, delayMs = 0, rotate = false } = fault
    const delay = () => new Promise((resolve) => { setTimeout(resolve, endpoint === 'token' ? delayMs : 0) })
    if (misbehaviour !== undefined) {
      await delay()
      misbehave(response, misbehaviour)
      return
    }
    const asked = new URLSearchParams(body.toString())
    const own = rotation.own(asked)
    if (own === undefined) {
      misbehave(response, 'invalid_grant')
      return
    }
    if (endpoint !== 'token') {
      forward(incoming, response, own)
      return
    }
    forward(incoming, response, own, async (answer) => {
      await delay()
      let tokens = JSON.parse(answer) as Record<string, unknown>
      if (rotate && asked.get('grant_type') === 'refresh_token') {
        tokens = { ...tokens, refresh_token: rotation.next(asked) }
      }
      if (rewrite !== undefined) tokens = rewrite(tokens, asked)
      return idToken === undefined ? JSON.stringify(tokens) : forge(JSON.stringify(tokens), idToken, poolKey)
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

  async function close (): Promise<void> {
    await stop()
    await pool.close()
  }

  t.teardown(close)
  return {
    env: {
      COGNITO_DOMAIN: pool.origin,
      COGNITO_ISSUER: pool.issuer,
      COGNITO_CLIENT_ID: pool.clientId,
      COGNITO_CLIENT_SECRET: pool.clientSecret
    },
    issuers: pool.issuers,
    useIssuer: pool.useIssuer,
    fault: (kind) => {
      fault = kind ?? {}
    },
    requests,
    stop,
    start: () => listen(port),
    close
  }
}

/** Aliases of the pool's refresh tokens, which change with every use. */
class Rotation {
  readonly #own = new Map<string, string>()
  readonly #latest = new Map<string, string>()

  /** The same request with the pool's own refresh token; undefined if its token was superseded. */
  own (asked: URLSearchParams): Buffer | undefined {
    const name = asked.has('refresh_token') ? 'refresh_token' : 'token'
    const given = asked.get(name)
    if (given === null) return Buffer.from(asked.toString())
    const own = this.#own.get(given) ?? given
    if (name === 'refresh_token' && (this.#latest.get(own) ?? own) !== given) return undefined
    const request = new URLSearchParams(asked)
    request.set(name, own)
    return Buffer.from(request.toString())
  }

  next (asked: URLSearchParams): string {
    const given = asked.get('refresh_token') ?? ''
    const own = this.#own.get(given) ?? given
    const successor = `rotated-${this.#own.size}-${own.slice(0, 6)}`
    this.#own.set(successor, own)
    this.#latest.set(own, successor)
    return successor
  }
}

async function read (stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function misbehave (response: ServerResponse, kind: Misbehaviour): void {
  const json = { 'content-type': 'application/json' }
  switch (kind) {
    case 'hang':
      return
    case 'stall':
      response.writeHead(200, { ...json, 'content-length': '4096' }).write('{"id_token":"')
      return
    case 'reset':
      response.socket?.resetAndDestroy()
      return
    case 'endless':
      flood(response.writeHead(200, json))
      return
    case 'huge-header':
      response.writeHead(200, { ...json, 'x-huge': 'x'.repeat(1024 * 1024) }).end('{}')
      return
    case 'html':
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end('<!doctype html><title>Welcome</title><p>Not what you asked for')
      return
    case 'garbage':
      response.writeHead(200, json).end('{"id_token": "eyJ')
      return
    case 'empty':
      response.writeHead(200, { 'content-length': '0' }).end()
      return
    case 'invalid_grant':
    case 'invalid_client':
      response.writeHead(400, json).end(JSON.stringify({ error: kind }))
      return
    default:
      response.writeHead(kind, json).end(JSON.stringify({ message: 'as the test wants it' }))
  }
}

/** Writes as long as the other side reads. */
function flood (response: ServerResponse): void {
  const chunk = ' '.repeat(64 * 1024)
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more).on('error', () => {})
  more()
}

function forge (answer: string, forgery: NonNullable<Fault['idToken']>, poolKey: KeyObject): string {
  const { id_token: token, ...others } = JSON.parse(answer) as { id_token: string }
  if (forgery === 'missing') return JSON.stringify(others)
  const [header, claims] = token.split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims) as [Claims, Claims]
  const key =
    forgery === 'foreign-key'
      ? (foreignKey ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
      : poolKey
  const forged = typeof forgery === 'function'
    ? forgery(claims, header)
    : { claims, header: forgery === 'unsigned' ? { alg: 'none' } : header }
  return JSON.stringify({ ...others, id_token: signToken(forged, key) })
}

function signToken ({ claims, header }: ReturnType<Forgery>, key: KeyObject): string {
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${input}.${signature(header.alg, input, key)}`
}

function signature (alg: unknown, input: string, key: KeyObject): string {
  if (alg === 'none') return ''
  if (alg === 'HS256') {
    return createHmac('sha256', createPublicKey(key).export({ type: 'spki', format: 'pem' }))
      .update(input)
      .digest('base64url')
  }
  return sign('sha256', Buffer.from(input), key).toString('base64url')
}
