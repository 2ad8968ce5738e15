/** This server, set up as in `src/serve.ts`. @module */
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { pino } from 'pino'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { deriveKeys } from '../../src/keys.js'
import { PgSessionStore } from '../../src/sessions/index.js'
import { signed } from '../sample.js'
import { requiredEnv, serve } from './serve.js'
import { productionSettings } from './settings.js'

/** `metrics`: metrics and the audit trail; `devices`: sessions may be bound to devices, without https as well. */
const { OPTIONS: choice } = process.env
const loaded = loadConfig({
  ...productionSettings(requiredEnv('DATABASE_URL'), requiredEnv('PROVIDER_URL')),
  ...(choice === 'metrics' ? { METRICS_PORT: '0', AUDIT: 'true' } : {})
})
const config = choice === 'devices' ? Object.freeze({ ...loaded, DEVICE_BOUND_SESSIONS: 'on' }) : loaded
const logger = pino(
  { level: config.LOG_LEVEL, redact: ['req.headers.cookie', 'req.headers.authorization'] },
  pino.destination({ dest: 1, sync: false })
)
const fastify = Fastify({ ...options, loggerInstance: logger })
await fastify.register(app, { config })
await fastify.listen({ host: config.HOST, port: config.PORT })
const { sessionStore } = fastify.cashsoukAuth
await sessionStore.createTable()
const filler = new PgSessionStore({
  conString: config.DATABASE_URL,
  ttl: config.SESSION_TTL,
  absoluteTtl: config.SESSION_ABSOLUTE_TTL,
  hashIds: config.SESSION_HASH_IDS ? deriveKeys(config.SESSION_SECRET, 'session id') : false,
  pruneSessionInterval: false
})
const { port } = fastify.server.address() as AddressInfo
serve({
  port,
  store: sessionStore,
  filler: filler,
  prune: () => sessionStore.prune(),
  cookie: (id) => `${config.COOKIE_NAME}=${encodeURIComponent(`s:${signed(id)}`)}`
})
