/**
 * The process: configuration, listening, draining, exit.
 *
 * @module
 */
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { loadConfig, type Config } from './config.js'
import { startDevServices, type DevServices } from './dev-services.js'
import { asksForTraces, isTracingOn } from './tracing/is-on.js'

/** How long a draining server keeps serving, so that load balancers notice that it is not ready. */
const DRAIN_MS = 1500
/** The process exits after this time, even with requests in flight. ECS kills after 30 s by default. */
const GRACE_MS = 20_000
/** How often the database is tried at startup. */
const READY_POLL_MS = 250

async function main (): Promise<void> {
  const services = await startDevServices(process.env)
  try {
    await run(loadConfig(services.env), services)
  } catch (error) {
    await services.close()
    throw error
  }
}

async function run (config: Config, services: DevServices): Promise<void> {
  // Loaded only now, so that configuration errors are reported without delay.
  const [{ default: Fastify }, { pino }, { default: app, options }] =
    await Promise.all([import('fastify'), import('pino'), import('./app.js')])
  // Unless an SDK was started before, as by `node --import`.
  const startsSdk = asksForTraces(process.env) && !isTracingOn()
  const sdk = startsSdk ? await (await import('./tracing/sdk.js')).startSdk(process.env) : undefined
  // Asynchronous logging; flushed on exit.
  const logger: FastifyBaseLogger = pino(
    { level: config.LOG_LEVEL, redact: ['req.headers.cookie', 'req.headers.authorization'] },
    pino.destination({ dest: 1, sync: false })
  )
  const trustProxy = config.TRUST_PROXY.length > 0 ? config.TRUST_PROXY : false
  const fastify = Fastify({ ...options, loggerInstance: logger, trustProxy })
  await fastify.register(app, { config, instrumentation: sdk?.instrumentation })

  closeWithGrace({ delay: GRACE_MS, logger }, async ({ err: error, signal }) => {
    if (error !== undefined) {
      logger.fatal({ reason: error.message, stack: error.stack }, 'Stopping after an uncaught error')
    } else {
      logger.info({ signal }, 'Draining')
    }
    fastify.cashsoukAuth.draining.start()
    if (error === undefined) await sleep(DRAIN_MS)
    await fastify.close()
    await sdk?.shutdown()
    await services.close()
  })

  await fastify.listen({ host: config.HOST, port: config.PORT }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') {
      error.message = `port ${config.PORT} is in use: stop the process that listens there, or set PORT`
    }
    throw error
  })
  if (await databaseAnswers(fastify)) announce(fastify, config)
}

/** Reports that a browser can sign in: in the log, or outside production as a plain line. */
function announce (fastify: FastifyInstance, { production, PUBLIC_URL }: Config): void {
  const { port } = fastify.server.address() as AddressInfo
  const ready = `ready on ${production ? PUBLIC_URL : `http://localhost:${port}`}`
  if (production) fastify.log.info(ready)
  else process.stdout.write(`${ready}\n`)
}

/** Waits for the database; false if the process is stopped before. */
async function databaseAnswers (fastify: FastifyInstance): Promise<boolean> {
  while (!fastify.cashsoukAuth.draining.started) {
    if (await fastify.cashsoukAuth.sessionStore.ping().then(() => true, () => false)) return true
    await sleep(READY_POLL_MS)
  }
  return false
}

await main().catch((error: unknown) => {
  // One line per problem. A stack says nothing about a missing variable.
  const { code, message, stack } = error as Error & { code?: string }
  process.stderr.write(`${code === undefined ? stack ?? message : message}\n`)
  process.exit(1)
})
