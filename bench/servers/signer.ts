import { Signer } from '@fastify/cookie'
import { rememberingSigner } from '../../src/sessions/index.js'
import { SECRET } from '../sample.js'

/**
 * The option `secret` of @fastify/session. `SIGNER=remembering` caches signatures; that signer is part of this
 * store's package, but works with every store.
 */
export const secret = (): string | ReturnType<typeof rememberingSigner> =>
  process.env.SIGNER === 'remembering' ? rememberingSigner(new Signer(SECRET)) : SECRET
