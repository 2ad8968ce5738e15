import { KeyObject, type webcrypto } from 'node:crypto'
import type { Jwk } from 'aws-jwt-verify/jwk'
import type { JWTVerifyGetKey } from 'jose'
import { ERR_ID_TOKEN } from '../errors.js'

/** A key of a key set, in the forms that verification needs. */
export interface PublicKey { jwk: Jwk, key: KeyObject }

/** RFC 7518 §3.3. */
const MIN_BITS = 2048

/** By the keys of jose, which keeps them as long as their key set. */
const known = new WeakMap<webcrypto.CryptoKey, PublicKey>()

/**
 * The key that a key set has found, for RS256.
 *
 * @throws {ERR_ID_TOKEN} if it is too short, or none for RSA.
 */
export function publicKey (found: Awaited<ReturnType<JWTVerifyGetKey>>): PublicKey {
  const cryptoKey = found as webcrypto.CryptoKey
  const kept = known.get(cryptoKey)
  if (kept !== undefined) return kept
  const key = KeyObject.from(cryptoKey)
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < MIN_BITS) throw new ERR_ID_TOKEN({ cause: new Error(`an RSA key of ${modulusLength} bits`) })
  const made = { jwk: { ...key.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' } as unknown as Jwk, key }
  known.set(cryptoKey, made)
  return made
}
