/**
 * As much of Amazon Cognito as a sign-in needs, as cheap as it gets: tokens for any code, which is the
 * login's nonce, so that nothing has to be remembered.
 *
 * @module
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { serve } from './serve.js'

/** Of everybody who signs in. */
export const SUB = '5d2f0c4e-9a1b-4c3d-8e7f-0123456789ab'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const keySet = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'key', alg: 'RS256', use: 'sig' }] })
const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
const header = encoded({ alg: 'RS256', kid: 'key' })
const opaque = 'x'.repeat(600)

const server = createServer((request, response) => {
  void text(request).then((body) => {
    response.setHeader('content-type', 'application/json')
    response.end(request.method === 'POST' ? tokens(new URLSearchParams(body).get('code') ?? '') : keySet)
  })
})

function tokens (nonce: string): string {
  const now = Math.floor(Date.now() / 1000)
  const payload = `${header}.${encoded({
    'sub': SUB, 'aud': 'client', 'iss': `http://localhost:${port}/pool`, 'token_use': 'id', nonce, 'iat': now, 'auth_time': now, 'exp': now + 3600,
    'email': 'person@example.com', 'email_verified': true, 'name': 'Person', 'cognito:username': 'person'
  })}`
  const idToken = `${payload}.${sign('sha256', Buffer.from(payload), privateKey).toString('base64url')}`
  return JSON.stringify({ id_token: idToken, access_token: opaque, refresh_token: opaque, token_type: 'Bearer', expires_in: 3600 })
}

await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
const { port } = server.address() as AddressInfo
serve({ port, cookie: () => '' })
