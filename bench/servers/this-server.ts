/** This server with everything on, as `src/server.ts` puts it together. @module */
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { pino } from 'pino'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { ABSOLUTE_TTL, SECRET, signed, TTL } from '../sample.js'
import { given, serve } from './serve.js'

const provider = given('PROVIDER_URL')
const config = loadConfig({
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  PUBLIC_URL: 'http://localhost:1',
  DATABASE_URL: given('DATABASE_URL'),
  DATABASE_PREPARED_STATEMENTS: 'true',
  SESSION_SECRET: SECRET,
  SESSION_TTL: String(TTL),
  SESSION_ABSOLUTE_TTL: String(ABSOLUTE_TTL),
  COGNITO_DOMAIN: provider,
  COGNITO_ISSUER: `${provider}/pool`,
  COGNITO_CLIENT_ID: 'client',
  COGNITO_CLIENT_SECRET: 'secret',
  LOGIN_RATE_LIMIT: '0'
})
const logger = pino({ level: config.LOG_LEVEL, redact: ['req.headers.cookie', 'req.headers.authorization'] }, pino.destination({ dest: 1, sync: false }))
const fastify = Fastify({ ...options, loggerInstance: logger })
await fastify.register(app, { config })
await fastify.listen({ host: config.HOST, port: config.PORT })
await fastify.sessionStore.createTable()
const { port } = fastify.server.address() as AddressInfo
serve({
  port,
  store: fastify.sessionStore,
  prune: () => fastify.sessionStore.prune(),
  cookie: (id) => `${config.COOKIE_NAME}=${encodeURIComponent(`s:${signed(id)}`)}`
})
