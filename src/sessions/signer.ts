import { remember } from './remember.js'

/** What signs and verifies cookies: @fastify/cookie's `Signer`, or anything of its form. `value` is null unless `valid`. */
export interface Signer {
  sign (value: string): string
  unsign (signed: string): { valid: boolean, renew: boolean, value: string | null }
}

/**
 * A signer that remembers: @fastify/session verifies a cookie's signature at every request and then makes it again, and for
 * one browser both are always the same. One that was found valid, and not to be renewed, need not be made at all.
 *
 *     secret: rememberingSigner(new Signer(secrets)) // Signer: @fastify/cookie's
 *
 * Only valid cookies are remembered, so that a stranger's push nobody's out.
 *
 * @param signer for one value, always makes the same signature.
 * @param max signatures kept of each kind, some 200 bytes each; twice as many at most.
 */
export function rememberingSigner (signer: Signer, max = 10_000): Signer {
  const sign = remember((value) => signer.sign(value), max)
  const unsign = remember((signed) => {
    const found = signer.unsign(signed)
    if (found.valid && !found.renew && found.value !== null) sign.put(found.value, signed)
    return found
  }, max, ({ valid }) => valid)
  return { sign, unsign }
}
