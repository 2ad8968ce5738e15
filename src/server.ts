/**
 * The process: configuration, listening, draining, the end.
 *
 * @module
 */
import type { AddressInfo } from 'node:net'
import closeWithGrace from 'close-with-grace'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { loadConfig, type Config } from './config.js'
import { startStandIns, type StandIns } from './stand-ins.js'

/** How long a draining server goes on serving, for balancers to notice that it is no longer ready, in milliseconds. */
const DRAIN_MS = 1500
/** The process ends by then, whatever is still under way, in milliseconds. ECS kills after 30 s by default. */
const GRACE_MS = 20_000
/** How often the database is looked for at start, in milliseconds. */
const READY_POLL_MS = 250

async function main (): Promise<void> {
  const standIns = await startStandIns(process.env)
  try {
    await run(loadConfig(standIns.env), standIns)
  } catch (error) {
    await standIns.close()
    throw error
  }
}

async function run (config: Config, standIns: StandIns): Promise<void> {
  // Loaded only now: a wrong variable is told at once.
  const [{ default: Fastify }, { pino }, { default: app, options }] = await Promise.all([import('fastify'), import('pino'), import('./app.js')])
  // Lines are written while the next requests are served; what is still to be written at the end is, before the process exits.
  const logger: FastifyBaseLogger = pino({ level: config.LOG_LEVEL, redact: ['req.headers.cookie', 'req.headers.authorization'] }, pino.destination({ dest: 1, sync: false }))
  const fastify = Fastify({ ...options, loggerInstance: logger, trustProxy: config.TRUST_PROXY.length > 0 ? config.TRUST_PROXY : false })
  await fastify.register(app, { config })

  closeWithGrace({ delay: GRACE_MS, logger }, async ({ err: error, signal }) => {
    if (error !== undefined) logger.fatal({ reason: error.message, stack: error.stack }, 'Stopping after an error nobody caught')
    else logger.info({ signal }, 'Draining')
    fastify.draining.start()
    if (error === undefined) await sleep(DRAIN_MS)
    await fastify.close()
    await standIns.close()
  })

  await fastify.listen({ host: config.HOST, port: config.PORT }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') error.message = `port ${config.PORT} is in use: stop what listens there, or set PORT`
    throw error
  })
  if (await databaseAnswers(fastify)) announce(fastify, config)
}

/** Outside production a line for the developer's eye, once a browser can sign in. */
function announce (fastify: FastifyInstance, { production, PUBLIC_URL }: Config): void {
  const { port } = fastify.server.address() as AddressInfo
  const ready = `ready on ${production ? PUBLIC_URL : `http://localhost:${port}`}`
  if (production) fastify.log.info(ready)
  else process.stdout.write(`${ready}\n`)
}

/** Waits for the database; false when the process is told to stop before it came. */
async function databaseAnswers (fastify: FastifyInstance): Promise<boolean> {
  while (!fastify.draining.started) {
    if (await fastify.sessionStore.ping().then(() => true, () => false)) return true
    await sleep(READY_POLL_MS)
  }
  return false
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })

await main().catch((error: unknown) => {
  // One line a problem, for a person; a stack says nothing about a missing variable.
  const { code, message, stack } = error as Error & { code?: string }
  process.stderr.write(`${code === undefined ? stack ?? message : message}\n`)
  process.exit(1)
})
