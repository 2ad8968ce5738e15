import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { t as file, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import auth from '../../index.js'
import { innerOf } from '../../plugins/host.js'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { cognito } from './cognito.js'
import { database } from './database.js'
import { expectDocumented } from './documented.js'

export interface Setup {
  /** The address for browsers: `http://localhost:PORT`. */
  url: string
  fastify: FastifyInstance
  database: Awaited<ReturnType<typeof database>>
  cognito: Awaited<ReturnType<typeof cognito>>
  /** The log lines so far, at every level. */
  log: string[]
  /** Its environment, which can start another instance. */
  env: Record<string, string>
}

/** The whole application, listening, with its own database and user pool. */
export async function server (
  t: Test,
  overrides: Record<string, string> = {},
  routes?: FastifyPluginAsync,
  first?: FastifyPluginAsync
): Promise<Setup> {
  const db = await database(t)
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const url = overrides.PUBLIC_URL ?? `http://localhost:${port}`
    const pool = await cognito(t, {
      callbackUrl: `${url}/api/auth/callback`,
      logoutUrl: [overrides.LOGOUT_URL ?? `${url}/`, ...overrides.LOGOUT_URLS?.split(',') ?? []]
    })
    const env = {
      PORT: String(port),
      PUBLIC_URL: url,
      DATABASE_URL: db.url,
      SESSION_SECRET: 'a secret of a test and of nothing else',
      LOG_LEVEL: 'trace',
      LOGIN_RATE_LIMIT: '0',
      ...pool.env,
      ...overrides
    }
    try {
      return { url, database: db, cognito: pool, env, ...(await instance(t, env, routes, first)) }
    } catch (error) {
      // Another process may have taken the port meanwhile.
      if ((error as { code?: string }).code !== 'EADDRINUSE' || attempt === 5) throw error
    }
  }
}

const shared = new Map<FastifyPluginAsync | undefined, Map<string, Promise<Setup>>>()

/**
 * The same as {@link server}, but one for all tests with the same arguments. Each test finds it without rows, faults,
 * recorded requests and log lines. Not for tests that stop something, count queries or connections, or need new keys.
 */
export async function sharedServer (
  overrides: Record<string, string> = {},
  routes?: FastifyPluginAsync
): Promise<Setup> {
  const key = JSON.stringify(overrides)
  const started = shared.get(routes) ?? new Map<string, Promise<Setup>>()
  const starting = started.get(key) ?? server(file, overrides, routes)
  shared.set(routes, started.set(key, starting))
  const setup = await starting
  setup.cognito.fault(undefined)
  setup.cognito.requests.length = 0
  setup.log.length = 0
  await setup.database.query('DELETE FROM session')
  return setup
}

/**
 * Whether the tests run the plugin in an application that has nothing else (`TEST_HOST=embedded`), in place of the
 * server of its own.
 */
export const isEmbedded = process.env.TEST_HOST === 'embedded'

/**
 * Whether the servers of the tests offer to bind sessions (`TEST_DEVICE_BOUND=on`), over http as well. No browser of
 * the tests takes part, so that nothing may differ.
 */
export const offersDevices = process.env.TEST_DEVICE_BOUND === 'on'

/**
 * One instance of the application, listening on `env.PORT`, with `routes` if given, and with `first` registered
 * before it.
 */
export async function instance (
  t: Test,
  env: Record<string, string>,
  routes?: FastifyPluginAsync,
  first?: FastifyPluginAsync
): Promise<{ fastify: FastifyInstance, log: string[] }> {
  const loaded = loadConfig(env)
  // Secrets in files belong to the object that was loaded, and a copy would not follow them.
  const hasFiles = Object.keys(env).some((name) => name.endsWith('_FILE'))
  const isOn = offersDevices && !hasFiles && env.DEVICE_BOUND_SESSIONS === undefined &&
    loaded.COOKIE_DOMAIN === undefined
  const config = isOn ? Object.freeze({ ...loaded, DEVICE_BOUND_SESSIONS: 'on' }) : loaded
  const log: string[] = []
  const loggerInstance = pino({ level: config.LOG_LEVEL }, { write: (line: string) => { log.push(line) } })
  const fastify = Fastify({
    ...(isEmbedded ? {} : options),
    loggerInstance,
    trustProxy: config.TRUST_PROXY.length > 0 ? config.TRUST_PROXY : false,
    forceCloseConnections: true
  })
  t.teardown(() => fastify.close())
  expectDocumented(fastify as unknown as FastifyInstance)
  if (first !== undefined) await fastify.register(first)
  if (isEmbedded) await fastify.register(auth, { env, health: true, home: true })
  else await fastify.register(app, { config })
  if (routes !== undefined) await fastify.register(routes)
  await fastify.listen({ host: config.HOST, port: config.PORT })
  await fastify.cashsoukAuth.sessionStore.createTable()
  return { fastify: fastify as unknown as FastifyInstance, log }
}

/** The pool of connections of an application. */
export const poolOf = (fastify: FastifyInstance): Pool => innerOf(fastify).pg.pool

/**
 * What the session table holds besides rows that say why a session ended. Such a row is left out only if it holds
 * nothing else, and for an hour at most.
 */
export const NOT_ENDS = `NOT (
  sid ~ '^ended\\.[\\w-]{43}$'
  AND sess::text ~ '^\\{"ended" : "[a-z_]+"\\}$'
  AND expire <= timezone('utc', now()) + interval '1 hour'
)`

/** The rows of the session table, without those that say why a session ended, and the keys of assertions. */
export async function rows<Sess = Record<string, unknown>> (
  { database }: Pick<Setup, 'database'>
): Promise<{ sid: string, sess: Sess }[]> {
  const found = await database.query(`
    SELECT sid, sess
    FROM session
    WHERE ${NOT_ENDS}
      AND sid <> 'shared.assertion-keys'`)
  return found as { sid: string, sess: Sess }[]
}
