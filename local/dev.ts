/**
 * `npm run dev`: runs the development services and the transpiler in this process, and fastify-cli and the type
 * checker beside it. A change restarts the server only, so services and sessions stay.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { constants, setPriority } from 'node:os'
import closeWithGrace from 'close-with-grace'
import { loadConfig } from '../src/config.js'
import { startDevServices } from './index.js'
import { transpileChanges } from './transpile.js'

const require = createRequire(import.meta.url)

/** A child that has not ended by then is killed. */
const STOP_TIMEOUT_MS = 5000
const READY_POLL_MS = 100

const children: ChildProcess[] = []

try {
  const services = await startDevServices(process.env)
  const { env } = services
  const config = loadConfig(env)
  const stopTranspiling = transpileChanges((message) => { process.stderr.write(`${message}\n`) })
  closeWithGrace({ delay: 3 * STOP_TIMEOUT_MS }, async () => {
    stopTranspiling()
    await Promise.all(children.map(stop))
    await services.close()
  })

  run(env, require.resolve('fastify-cli/cli.js'), 'start',
    '--watch', '--ignore-watch=.ts$', '--follow-watch=dist',
    '--log-level', config.LOG_LEVEL, '--pretty-logs', '--options',
    '--address', config.HOST, '--port', String(config.PORT),
    ...(config.TRUST_PROXY.length > 0 ? ['--trust-proxy-ips', config.TRUST_PROXY.join(',')] : []),
    'dist/src/app.js')
  await ready(`http://localhost:${config.PORT}`)
  const { pid: checker } = run(env, require.resolve('typescript/bin/tsc'),
    '-p', 'tsconfig.build.json', '--noEmit', '--watch', '--preserveWatchOutput')
  // A change is live sooner if its types are checked beside the restart, and not before.
  if (checker !== undefined) setPriority(checker, constants.priority.PRIORITY_LOW)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}

function run (env: NodeJS.ProcessEnv, ...args: string[]): ChildProcess {
  // In its own process group, Ctrl-C does not reach it: this process stops the children in order.
  const detached = process.platform !== 'win32'
  const child = spawn(process.execPath, args, { env, stdio: 'inherit', detached })
  children.push(child)
  return child
}

async function stop (child: ChildProcess): Promise<void> {
  const { pid } = child
  if (child.exitCode !== null || child.signalCode !== null || pid === undefined) return
  const ended = new Promise<void>((resolve) => { child.once('exit', () => { resolve() }) })
  const signal = (name: NodeJS.Signals) => { process.kill(process.platform === 'win32' ? pid : -pid, name) }
  signal('SIGTERM')
  const timer = setTimeout(() => { signal('SIGKILL') }, STOP_TIMEOUT_MS)
  await ended
  clearTimeout(timer)
}

async function ready (url: string): Promise<void> {
  for (;;) {
    if (await fetch(`${url}/health/ready`).then(({ ok }) => ok, () => false)) break
    await new Promise((resolve) => { setTimeout(resolve, READY_POLL_MS) })
  }
  process.stdout.write(`ready on ${url}\n`)
}
