/**
 * The process: configuration, listening, draining, exit.
 *
 * @module
 */
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { afterPoll } from './after-poll.js'
import { loadConfig, type Config } from './config.js'
import { startDevServices, type DevServices } from './dev-services.js'
import { descriptorLimit, neededDescriptors } from './descriptors.js'
import { onStopSignals, STOP_SIGNALS } from './stop-signals.js'
import { switchedOff } from './switched-off.js'
import { asksForTraces, isTracingOn } from './tracing/is-on.js'
import { version } from './version.js'

/**
 * The process exits this long after it has drained, even with requests in flight. With the default of DRAIN_SECONDS in
 * production that is 20 s after the signal. ECS kills after 30 s by default.
 */
const GRACE_MS = 15_000
/** How long a connection without a request is kept open after the server has closed. */
const UNUSED_MS = 200
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
  const { app, Fastify, options, pino } = await import('./libraries.js')
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

  const { DRAIN_SECONDS: seconds } = config
  const { close } = closeWithGrace({
    delay: seconds * 1000 + GRACE_MS, logger, skip: STOP_SIGNALS
  }, async ({ err: error }) => {
    if (error !== undefined) {
      logger.fatal({ reason: error.message, stack: error.stack }, 'Stopping after an uncaught error')
    }
    const { draining } = fastify.cashsoukAuth
    draining.start()
    // A balancer may still send requests, unless it was never told of this server.
    if (error === undefined && fastify.server.listening) await sleep(seconds * 1000)
    await Promise.all([fastify.close(), closeUnused(fastify)])
    await sdk?.shutdown()
    await services.close()
    logger.info('Stopped')
  })
  onStopSignals({
    first (signal) {
      logger.info({ signal, seconds }, 'Draining')
      void close()
    },
    again (signal) {
      const { inFlight: cut } = fastify.cashsoukAuth.draining
      logger[cut > 0 ? 'error' : 'info']({ signal, cut }, 'Stopping at once: this is the second signal')
      process.exit(cut > 0 ? 1 : 0)
    }
  })

  const { draining } = fastify.cashsoukAuth
  await fastify.ready()
  if (draining.started) return
  await fastify.listen({ host: config.HOST, port: config.PORT }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') {
      error.message = `port ${config.PORT} is in use: stop the process that listens there, or set PORT`
    }
    throw error
  })
  await report(fastify, config)
  if (await databaseAnswers(fastify)) announce(fastify, config)
}

/**
 * Closes what is left open once the last request is answered. Browsers and balancers open connections ahead, and
 * Node.js counts one without a request as busy.
 */
async function closeUnused ({ cashsoukAuth: { draining }, server }: FastifyInstance): Promise<void> {
  do {
    await sleep(UNUSED_MS, undefined, { ref: false })
    await afterPoll() // counts what has arrived meanwhile
  } while (draining.inFlight > 0)
  server.closeAllConnections()
}

/** Logs what has been started, and with which limits. */
async function report ({ log, cashsoukAuth: { sessionStore } }: FastifyInstance, config: Config): Promise<void> {
  const { DATABASE_POOL_MAX: pool } = config
  const schema = sessionStore.schema() ?? 'not known yet: the database has not answered'
  const off = switchedOff(config)
  log.info({ version: version(), node: process.version, table: 'session', schema, pool, off }, 'Started')
  const limit = await descriptorLimit()
  const needed = neededDescriptors(pool)
  if (limit !== undefined && limit < needed) {
    log.warn({ limit, needed }, 'The limit of open files is too low for the pool and for kept connections')
  }
}

/** Reports that a browser can sign in: in the log, or outside production as a plain line. */
function announce (fastify: FastifyInstance, { production, PUBLIC_URL }: Config): void {
  const { port } = fastify.server.address() as AddressInfo
  const ready = `ready on ${production ? PUBLIC_URL : `http://localhost:${port}`}`
  if (production) fastify.log.info(ready)
  else process.stdout.write(`${ready}\n`)
}

/** Waits for the database; false if the process is stopped before, or meanwhile. */
async function databaseAnswers ({ cashsoukAuth: { draining, sessionStore } }: FastifyInstance): Promise<boolean> {
  while (!draining.started) {
    if (await sessionStore.ping().then(() => true, () => false)) return !draining.started
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
