import { remember } from './remember.js'

/** What signs and verifies cookies: @fastify/cookie's `Signer`, or anything of its form. `value` is null unless `valid`. */
export interface Signer {
  sign (value: string): string
  unsign (signed: string): { valid: boolean, renew: boolean, value: string | null }
}

/**
 * A signer that remembers: @fastify/session verifies a cookie's signature at every request and then makes it again, and for
 * one browser both are always the same.
 *
 *     secret: rememberingSigner(new Signer(secrets)) // Signer: @fastify/cookie's
 *
 * Only valid cookies are remembered, so that a stranger's push nobody's out.
 *
 * @param max signatures kept of each kind, some 200 bytes each; twice as many at most.
 */
export function rememberingSigner (signer: Signer, max = 10_000): Signer {
  return {
    sign: remember((value) => signer.sign(value), max),
    unsign: remember((signed) => signer.unsign(signed), max, ({ valid }) => valid)
  }
}
