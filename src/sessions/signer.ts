import { memoize } from './memoize.js'

/**
 * Signs and verifies cookies, as @fastify/cookie's `Signer` does. `value` is null unless `valid`;
 * `renew` means that an older secret made the signature.
 */
export interface Signer {
  sign (value: string): string
  unsign (signed: string): { valid: boolean, renew: boolean, value: string | null }
}

/**
 * A signer that remembers signatures. @fastify/session verifies a cookie's signature at every
 * request and then signs the id again, with the same result as long as the secrets stay.
 *
 *     secret: rememberingSigner(new Signer(secrets)) // Signer of @fastify/cookie
 *
 * Only valid signatures are kept, so forged cookies cannot evict real ones.
 *
 * @param signer must always make the same signature for a value.
 * @param max signatures per generation (there are two) and direction, some 200 bytes each.
 */
export function rememberingSigner (signer: Signer, max = 10_000): Signer {
  const sign = memoize((value) => signer.sign(value), max)
  const unsign = memoize((signed) => {
    const result = signer.unsign(signed)
    if (result.valid && !result.renew && result.value !== null) sign.put(result.value, signed)
    return result
  }, max, ({ valid }) => valid)
  return { sign, unsign }
}
