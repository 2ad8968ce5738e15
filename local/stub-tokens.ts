/**
 * Tokens of a stub of Amazon Cognito, as its token endpoint issues them, for load and faults: the stub has no users and
 * no state. The code of a login is its nonce.
 *
 * @module
 */
import { generateKeyPairSync, sign } from 'node:crypto'

const TOKEN_TTL_S = 3600

/** About as long as Cognito's. */
const OPAQUE = 'x'.repeat(600)

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

export interface StubTokens {
  /** The body of `/.well-known/jwks.json`. */
  keySet: string
  /** The body of the answer of the token endpoint. */
  answer (user: { nonce: string, sub: string, username: string }): string
}

/**
 * @param issuer `iss` of the ID tokens, asked for each.
 * @param clientId `aud`.
 */
export function stubTokens (issuer: () => string, clientId: string): StubTokens {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key', alg: 'RS256', use: 'sig' }
  const header = encoded({ alg: 'RS256', kid: 'key' })
  return {
    keySet: JSON.stringify({ keys: [jwk] }),
    answer ({ nonce, sub, username }) {
      const now = Math.floor(Date.now() / 1000)
      const payload = `${header}.${encoded({
        sub,
        'aud': clientId,
        'iss': issuer(),
        'token_use': 'id',
        nonce,
        'iat': now,
        'auth_time': now,
        'exp': now + TOKEN_TTL_S,
        'email': 'person@example.com',
        'email_verified': true,
        'name': 'Person',
        'cognito:username': username
      })}`
      return JSON.stringify({
        id_token: `${payload}.${sign('sha256', Buffer.from(payload), privateKey).toString('base64url')}`,
        access_token: OPAQUE,
        refresh_token: OPAQUE,
        token_type: 'Bearer',
        expires_in: TOKEN_TTL_S
      })
    }
  }
}
