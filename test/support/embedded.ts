import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import auth, { type AuthOptions } from '../../index.js'
import { freePort } from '../../local/free-port.js'
import { cognito } from './cognito.js'
import { database, type Database } from './database.js'

export interface Embedded {
  url: string
  app: FastifyInstance
  database: Database
  cognito: Awaited<ReturnType<typeof cognito>>
  log: string[]
}

export interface Host {
  /** Of the application's Fastify instance. */
  fastify?: FastifyServerOptions
  options?: AuthOptions
  /** Where the login and the callback will be, if the scope or the options say so. */
  path?: string
  /** Registers the application's own things, and the plugin with the options. Default: the plugin alone. */
  build?: (app: FastifyInstance, options: AuthOptions) => Promise<void>
}

/** An application that listens, with the plugin in it, its own database and user pool. */
export async function embedded (t: Test, host: Host = {}): Promise<Embedded> {
  const { fastify: serverOptions = {}, options = {}, path = '/api/auth', build = register } = host
  const db = await database(t)
  const port = await freePort()
  const url = `http://localhost:${port}`
  const pool = await cognito(t, { callbackUrl: `${url}${path}/callback`, logoutUrl: [`${url}/`] })
  const log: string[] = []
  const loggerInstance = pino({ level: 'trace' }, { write: (line: string) => { log.push(line) } })
  const app = Fastify({ forceCloseConnections: true, loggerInstance, ...serverOptions }) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await build(app, {
    env: pool.env,
    publicUrl: url,
    databaseUrl: db.url,
    sessionSecret: ['a secret of a test and of nothing else'],
    loginRateLimit: 0,
    ...options
  })
  await app.listen({ host: '127.0.0.1', port })
  return { url, app, database: db, cognito: pool, log }
}

const register = async (app: FastifyInstance, options: AuthOptions): Promise<void> => {
  await app.register(auth, options)
}
