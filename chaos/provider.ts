/**
 * A stub of Amazon Cognito. It issues tokens for any code, which is the login's nonce, and does one thing wrong at a
 * time when it is told to.
 *
 * @module
 */
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** How it answers. `hangs`: never; `drips`: a byte each 200 ms; `endless`: a body without an end. */
export type Manner = 'well' | 'hangs' | 'drips' | 'endless' | 429 | 500

export interface Provider {
  origin: string
  manner: Manner
  close (): Promise<void>
}

const TOKEN_TTL_S = 3600
const DRIP_MS = 200
const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

export async function startProvider (): Promise<Provider> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key', alg: 'RS256', use: 'sig' }
  const keySet = JSON.stringify({ keys: [jwk] })
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      response.setHeader('content-type', 'application/json')
      const answer = request.method === 'POST' ? tokens(new URLSearchParams(body).get('code') ?? '') : keySet
      respond(response, provider.manner, answer)
    }, () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const provider: Provider = {
    origin: `http://127.0.0.1:${port}`,
    manner: 'well',
    async close () {
      server.close()
      server.closeAllConnections()
    }
  }

  function tokens (nonce: string): string {
    const now = Math.floor(Date.now() / 1000)
    const sub = randomUUID()
    const payload = `${encoded({ alg: 'RS256', kid: 'key' })}.${encoded({
      sub,
      'aud': 'client',
      'iss': `${provider.origin}/pool`,
      'token_use': 'id',
      nonce,
      'iat': now,
      'auth_time': now,
      'exp': now + TOKEN_TTL_S,
      'email': 'person@example.com',
      'email_verified': true,
      'name': 'Person',
      'cognito:username': sub
    })}`
    return JSON.stringify({
      id_token: `${payload}.${sign('sha256', Buffer.from(payload), privateKey).toString('base64url')}`,
      access_token: 'a'.repeat(100),
      refresh_token: 'r'.repeat(100),
      token_type: 'Bearer',
      expires_in: TOKEN_TTL_S
    })
  }
  return provider
}

function respond (response: ServerResponse, manner: Manner, answer: string): void {
  if (manner === 'well') {
    response.end(answer)
  } else if (manner === 'drips') {
    dripping(response, answer)
  } else if (manner === 'endless') {
    const timer = setInterval(() => { response.write(' '.repeat(65_536)) }, 20)
    response.once('close', () => { clearInterval(timer) })
  } else if (manner !== 'hangs') {
    response.statusCode = manner
    response.end('{}')
  }
}

function dripping (response: ServerResponse, answer: string): void {
  let at = 0
  const timer = setInterval(() => { response.write(answer.charAt(at++)) }, DRIP_MS)
  response.once('close', () => { clearInterval(timer) })
}
