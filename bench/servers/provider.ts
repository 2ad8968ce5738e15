/**
 * A stub of Amazon Cognito that needs little CPU. It issues tokens for any code. The code is the login's nonce,
 * so the stub needs no state.
 *
 * @module
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { PROVIDER_SUB } from '../sample.js'
import { serve } from './serve.js'

const TOKEN_TTL_S = 3600

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = { ...publicKey.export({ format: 'jwk' }), kid: 'key', alg: 'RS256', use: 'sig' }
const keySet = JSON.stringify({ keys: [key] })
const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
const header = encoded({ alg: 'RS256', kid: 'key' })
const opaque = 'x'.repeat(600) // about as long as Cognito's tokens

const server = createServer((request, response) => {
  void text(request).then((body) => {
    response.setHeader('content-type', 'application/json')
    if (request.method === 'POST') response.end(tokens(new URLSearchParams(body).get('code') ?? ''))
    else response.end(request.url?.endsWith('/openid-configuration') === true ? discovery() : keySet)
  })
})

/** As Cognito answers, without what no contestant uses. */
const discovery = (): string => JSON.stringify({
  issuer: `http://localhost:${port}/pool`,
  authorization_endpoint: `http://localhost:${port}/oauth2/authorize`,
  token_endpoint: `http://localhost:${port}/oauth2/token`,
  jwks_uri: `http://localhost:${port}/pool/.well-known/jwks.json`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256']
})

function tokens (nonce: string): string {
  const now = Math.floor(Date.now() / 1000)
  const payload = `${header}.${encoded({
    'sub': PROVIDER_SUB,
    'aud': 'client',
    'iss': `http://localhost:${port}/pool`,
    'token_use': 'id',
    nonce,
    'iat': now,
    'auth_time': now,
    'exp': now + TOKEN_TTL_S,
    'email': 'person@example.com',
    'email_verified': true,
    'name': 'Person',
    'cognito:username': 'person'
  })}`
  const idToken = `${payload}.${sign('sha256', Buffer.from(payload), privateKey).toString('base64url')}`
  return JSON.stringify({
    id_token: idToken,
    access_token: opaque,
    refresh_token: opaque,
    token_type: 'Bearer',
    expires_in: TOKEN_TTL_S
  })
}

await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
const { port } = server.address() as AddressInfo
serve({ port, cookie: () => '' })
