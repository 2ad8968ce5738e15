/**
 * An OpenID provider that does one thing wrong at a time: every field of every answer can be altered, and every
 * answer replaced. It has no users and no sign-in page; every login succeeds at once.
 *
 * @module
 */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export type Members = Record<string, unknown>
export type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void
export type Endpoint = 'authorize' | 'token' | 'jwks' | 'revoke'

/** Deviations from correct behaviour; everything else is done correctly. */
export interface Behaviour {
  /** Changes the parameters of the callback URL in place. */
  callback?: (parameters: URLSearchParams) => void
  /** Members of the ID token's header; a string replaces the whole header. */
  header?: (header: Members) => Members | string
  /** Claims of the ID token; a string replaces the whole payload. */
  claims?: (claims: Members) => Members | string
  /** The signature over `header.payload`, instead of the first key's RS256. */
  signature?: (input: string) => Buffer | string
  /** Changes the signed ID token. */
  idToken?: (token: string) => unknown
  /** Members of the token response; a string replaces the whole body. */
  tokens?: (tokens: Members) => Members | string
  /** The app client's valid secrets; none: it is a public client. */
  secrets?: string[]
  /** Members of the key set. */
  keys?: Members[]
  /** Replaces whole answers. */
  respond?: Partial<Record<Endpoint, Answer>>
}

export interface ProviderRequest {
  endpoint: Endpoint
  method: string
  url: URL
  headers: IncomingHttpHeaders
  body: URLSearchParams
}

export interface SigningKey { kid: string, privateKey: KeyObject, publicKey: KeyObject, jwk: Members }

export const clientId = '1example23456789'
export const clientSecret = 'client/secret+of=a~test:of%41*nothing&else'

/** An RSA key pair, with its member of a key set. */
export function rsaKey (kid: string, modulusLength = 2048): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
  return {
    kid,
    privateKey,
    publicKey,
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }
  }
}

/** The provider's first key, and one to rotate in. They are made once, because a key takes 0.1 s. */
export const [first, second] = [rsaKey('first'), rsaKey('second')]

export const base64url = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
export const rs256 = (key: SigningKey) => (input: string): Buffer => sign('sha256', Buffer.from(input), key.privateKey)
export const seconds = (): number => Math.floor(Date.now() / 1000)

export class MisbehavingProvider {
  readonly origin: string
  readonly issuer: string
  /** The requests so far. */
  readonly requests: ProviderRequest[] = []
  behaviour: Behaviour = {}
  readonly #grants = new Map<string, URLSearchParams>()

  constructor (origin: string) {
    this.origin = origin
    this.issuer = `${origin}/eu-west-1_AbCdEfGhI`
  }

  /** Ready to be merged into the server's configuration. */
  get env (): Record<string, string> {
    return {
      COGNITO_DOMAIN: this.origin,
      COGNITO_ISSUER: this.issuer,
      COGNITO_CLIENT_ID: clientId,
      COGNITO_CLIENT_SECRET: clientSecret
    }
  }

  /** The number of requests to an endpoint. */
  count (endpoint: Endpoint): number {
    return this.requests.filter((request) => request.endpoint === endpoint).length
  }

  answer (request: IncomingMessage, response: ServerResponse, body: string): void {
    const { method = 'GET', headers } = request
    const url = new URL(request.url ?? '/', this.origin)
    const endpoint = ENDPOINTS[url.pathname.replace(/^\/eu-west-1_AbCdEfGhI/, '')]
    if (endpoint === undefined) {
      response.writeHead(404).end()
      return
    }
    this.requests.push({ endpoint, method, url, headers, body: new URLSearchParams(body) })
    const whole = this.behaviour.respond?.[endpoint]
    if (whole !== undefined) whole(request, response, body)
    else this[endpoint](request, response, body)
  }

  authorize (request: IncomingMessage, response: ServerResponse): void {
    const asked = new URL(request.url ?? '/', this.origin).searchParams
    const code = randomBytes(16).toString('hex')
    this.#grants.set(code, asked)
    const callback = new URL(asked.get('redirect_uri') ?? '')
    callback.searchParams.set('code', code)
    callback.searchParams.set('state', asked.get('state') ?? '')
    this.behaviour.callback?.(callback.searchParams)
    response.writeHead(302, { location: callback.href }).end()
  }

  /** RFC 6749 §4.1.3 with RFC 7636 §4.6: client, code and code verifier must be valid. */
  token ({ headers }: IncomingMessage, response: ServerResponse, body: string): void {
    const form = new URLSearchParams(body)
    if (!this.#isClient(headers.authorization, form)) {
      json({ error: 'invalid_client' }, 401)(undefined, response)
      return
    }
    const asked = this.#grants.get(form.get('code') ?? '')
    this.#grants.delete(form.get('code') ?? '')
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
    if (
      asked === undefined ||
      asked.get('redirect_uri') !== form.get('redirect_uri') ||
      asked.get('code_challenge') !== challenge
    ) {
      json({ error: 'invalid_grant' }, 400)(undefined, response)
      return
    }
    const { tokens = (all) => all } = this.behaviour
    json(
      tokens({
        id_token: this.#idToken(asked),
        access_token: 'access-token-of-a-test',
        refresh_token: 'refresh-token-of-a-test',
        token_type: 'Bearer',
        expires_in: 3600
      })
    )(undefined, response)
  }

  jwks (_request: IncomingMessage, response: ServerResponse): void {
    json({ keys: this.behaviour.keys ?? [first.jwk] })(undefined, response)
  }

  revoke ({ headers }: IncomingMessage, response: ServerResponse, body: string): void {
    const isClient = this.#isClient(headers.authorization, new URLSearchParams(body))
    if (isClient) response.writeHead(200).end()
    else json({ error: 'invalid_client' }, 401)(undefined, response)
  }

  /** A confidential client by HTTP Basic, a public one by its id (RFC 6749 §2.3.1, §3.2.1). */
  #isClient (authorization: string | undefined, form: URLSearchParams): boolean {
    const { secrets = [clientSecret] } = this.behaviour
    if (secrets.length > 0) return isClient(authorization, secrets)
    return authorization === undefined && form.get('client_id') === clientId && !form.has('client_secret')
  }

  #idToken (asked: URLSearchParams): unknown {
    const {
      header = (all) => all,
      claims = (all) => all,
      signature = rs256(first),
      idToken = (token) => token
    } = this.behaviour
    const input = [header({ alg: 'RS256', kid: first.kid }), claims({
      'sub': '5d1c0a9e-0000-4000-8000-000000000001',
      'iss': this.issuer,
      'aud': clientId,
      'token_use': 'id',
      'nonce': asked.get('nonce'),
      'auth_time': seconds(),
      'iat': seconds(),
      'exp': seconds() + 3600,
      'email': 'sample.user@example.com',
      'email_verified': true,
      'name': 'Sample User',
      'cognito:username': 'sample-user'
    })].map(base64url).join('.')
    const signed = signature(input)
    return idToken(`${input}.${typeof signed === 'string' ? signed : signed.toString('base64url')}`)
  }
}

const ENDPOINTS: Record<string, Endpoint> = {
  '/oauth2/authorize': 'authorize',
  '/oauth2/token': 'token',
  '/oauth2/revoke': 'revoke',
  '/.well-known/jwks.json': 'jwks'
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined. */
function isClient (authorization = '', secrets: readonly string[]): boolean {
  const [id = '', secret = '', ...more] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
    .toString()
    .split(':')
    .map((text) => new URLSearchParams(`x=${text}`).get('x'))
  return id === clientId && secrets.includes(secret ?? '') && more.length === 0
}

/** A JSON answer; a string is sent unchanged. */
export const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  (_request: unknown, response: ServerResponse): void => {
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body))
  }

/** Starts a provider for one test. */
export async function misbehavingProvider (t: Test): Promise<MisbehavingProvider> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    response.on('error', () => {})
    request.on('error', () => {}).on('data', (chunk: Buffer) => { chunks.push(chunk) })
      .on('end', () => { provider.answer(request, response, Buffer.concat(chunks).toString()) })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const provider = new MisbehavingProvider(`http://localhost:${(server.address() as AddressInfo).port}`)
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => { server.close(resolve) })
  })
  return provider
}
