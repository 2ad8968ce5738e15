import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { calculateJwkThumbprint } from 'jose'

/** An elliptic curve key for ES256 (RFC 7518 §6.2), with its private part. */
export interface PrivateJwk { kty: string, crv: string, x: string, y: string, d: string }

/** A key as it is kept: what it is named, and from when it signs, in milliseconds since 1970. */
export interface StoredKey { kid: string, fromMs: number, jwk: PrivateJwk }

/** A key of the key set (RFC 7517 §4). */
export interface PublicJwk { kty: string, crv: string, x: string, y: string, kid: string, use: 'sig', alg: 'ES256' }

export interface SigningKey {
  readonly stored: StoredKey
  readonly fromMs: number
  readonly publicJwk: PublicJwk
  readonly privateKey: KeyObject
  /** The protected header of a JWT by this key, as it stands in the JWT. */
  readonly header: string
}

const generate = promisify(generateKeyPair)

/** A new P-256 key. Its name is its thumbprint (RFC 7638). */
export async function newSigningKey (fromMs: number): Promise<SigningKey> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' }) as unknown as PrivateJwk
  return signingKey({ kid: await calculateJwkThumbprint(jwk), fromMs, jwk })
}

/** @throws {Error} if it is no key. */
export function signingKey (stored: StoredKey): SigningKey {
  const { kid, fromMs, jwk } = stored
  const { kty, crv, x, y } = jwk
  return {
    stored,
    fromMs,
    publicJwk: { kty, crv, x, y, kid, use: 'sig', alg: 'ES256' },
    privateKey: createPrivateKey({ key: { ...jwk }, format: 'jwk' }),
    // Spring Security refuses any other `typ` unless it is told to accept it.
    header: Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'JWT', kid })).toString('base64url')
  }
}
