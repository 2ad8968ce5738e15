import { Signer } from '@fastify/cookie'
import type { FastifyInstance } from 'fastify'
import type {} from '../index.js'
import type { Config } from '../src/config.js'
import type { PgSessionStore } from '../src/sessions/index.js'

/** What the kit needs of an application. */
export interface Application {
  config: Config
  store: PgSessionStore
  /** Signs a session's id as the application does. */
  sign: (id: string) => string
}

/**
 * Makes the application ready, and finds in it what the kit needs.
 *
 * @throws {TypeError} for an instance without cashsouk-auth.
 */
export async function applicationOf (fastify: FastifyInstance): Promise<Application> {
  await fastify.ready()
  const { cashsoukAuth: auth } = fastify as Partial<FastifyInstance>
  if (auth === undefined) {
    throw new TypeError('signIn: cashsouk-auth is not registered on this Fastify instance')
  }
  const { config, sessionStore: store } = auth
  const signer = new Signer([...config.SESSION_SECRET])
  return { config, store, sign: (id) => signer.sign(id) }
}
