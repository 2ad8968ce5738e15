import {
  decodeJwt, decodeProtectedHeader, EmbeddedJWK, importJWK, jwtVerify, type JWK, type JWTVerifyOptions
} from 'jose'
import { memoize } from '../sessions/memoize.js'
import { ALGORITHMS, type Algorithm, type Bound } from './binding.js'

/** A proof with an RSA key of 4,096 bits has some 2,000 characters. */
const MAX_LENGTH = 4096
/** An RSA modulus of 4,096 bits, in base64url. Verification with a longer one takes too long. */
const MAX_MODULUS_LENGTH = 683
/** 65,537, in base64url: a larger exponent makes a verification slow. */
const EXPONENT = 'AQAB'

const TYPE = 'dbsc+jwt'

export interface DeviceKey { alg: Algorithm, key: JWK }

/** What a proof says, before anything of it is checked. */
export interface Claims { jti: string, authorization: string | undefined }

/** Undefined for what is no proof, or too long. */
export function claimsOf (proof: string): Claims | undefined {
  if (proof.length > MAX_LENGTH) return undefined
  try {
    const { jti, authorization } = decodeJwt(proof)
    if (typeof jti !== 'string') return undefined
    return { jti, authorization: typeof authorization === 'string' ? authorization : undefined }
  } catch {
    return undefined
  }
}

/** The key that a registration's proof has and is signed with; undefined if the proof does not hold. */
export async function registeredKey (proof: string): Promise<DeviceKey | undefined> {
  const found = embeddedKey(proof)
  if (found === undefined) return undefined
  return await holds(() => jwtVerify(proof, EmbeddedJWK, options(found.alg))) ? found : undefined
}

/** Whether the device of this session has signed a proof. */
export async function isSignedBy ({ alg, key }: Bound, proof: string): Promise<boolean> {
  return holds(async () => jwtVerify(proof, await imported(JSON.stringify([key, alg])), options(alg)))
}

/** Sessions whose keys are kept ready in each of two generations. */
const MAX_KEYS = 1000

const imported = memoize(async (text) => importJWK(...JSON.parse(text) as [JWK, Algorithm]), MAX_KEYS)

const options = (alg: Algorithm): JWTVerifyOptions => ({ typ: TYPE, algorithms: [alg] })

/** Public members alone are kept. Checked before the key is used, so that its size bounds the work. */
function embeddedKey (proof: string): DeviceKey | undefined {
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(proof)
  } catch {
    return undefined
  }
  const alg = ALGORITHMS.find((known) => known === header.alg)
  const { kty, crv, x, y, n, e } = header.jwk ?? {}
  if (alg === 'ES256' && kty === 'EC' && crv === 'P-256' && isText(x) && isText(y)) {
    return { alg, key: { kty, crv, x, y } }
  }
  if (alg === 'RS256' && kty === 'RSA' && isText(n) && e === EXPONENT && n.length <= MAX_MODULUS_LENGTH) {
    return { alg, key: { kty, n, e } }
  }
  return undefined
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** jose throws for every proof that does not hold. */
async function holds (verify: () => Promise<unknown>): Promise<boolean> {
  try {
    await verify()
    return true
  } catch {
    return false
  }
}
