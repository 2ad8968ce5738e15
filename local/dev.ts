/**
 * `npm run dev`: the stand-ins in this process, and beside it the TypeScript compiler and fastify-cli,
 * both watching. A change restarts the server alone; the stand-ins, and so the sessions, stay.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import closeWithGrace from 'close-with-grace'
import { loadConfig } from '../src/config.js'
import { startStandIns } from './index.js'

const require = createRequire(import.meta.url)

/** How long a child may take to end, in milliseconds. */
const STOP_MS = 5000

const children: ChildProcess[] = []

try {
  const standIns = await startStandIns(process.env)
  const { env } = standIns
  const config = loadConfig(env)
  closeWithGrace({ delay: 3 * STOP_MS }, async () => {
    await Promise.all(children.map(stop))
    await standIns.close()
  })

  // The compiler writes all of dist once before it watches: a server started earlier would restart at once.
  await compiled(run(env, 'pipe', require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--watch', '--preserveWatchOutput',
    '--declaration', 'false', '--assumeChangesOnlyAffectDirectDependencies'))
  run(env, 'inherit', require.resolve('fastify-cli/cli.js'), 'start',
    '--watch', '--ignore-watch=.ts$', '--follow-watch=dist',
    '--log-level', config.LOG_LEVEL, '--pretty-logs', '--options',
    '--address', config.HOST, '--port', String(config.PORT),
    ...(config.TRUST_PROXY.length > 0 ? ['--trust-proxy-ips', config.TRUST_PROXY.join(',')] : []),
    'dist/src/app.js')
  await ready(`http://localhost:${config.PORT}`)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}

function run (env: NodeJS.ProcessEnv, stdout: 'inherit' | 'pipe', ...args: string[]): ChildProcess {
  // A group of their own: Ctrl-C reaches this process, which stops them in order.
  const child = spawn(process.execPath, args, { env, stdio: ['inherit', stdout, 'inherit'], detached: process.platform !== 'win32' })
  children.push(child)
  return child
}

async function compiled (compiler: ChildProcess): Promise<void> {
  compiler.stdout?.pipe(process.stdout)
  await new Promise<void>((resolve, reject) => {
    compiler.stdout?.on('data', (chunk: Buffer) => { if (chunk.includes('Watching for file changes')) resolve() })
    compiler.once('exit', () => { reject(new Error('The TypeScript compiler ended')) })
  })
}

async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = new Promise<void>((resolve) => { child.once('exit', () => { resolve() }) })
  const signal = (name: NodeJS.Signals) => { process.kill(process.platform === 'win32' ? child.pid as number : -(child.pid as number), name) }
  signal('SIGTERM')
  const timer = setTimeout(() => { signal('SIGKILL') }, STOP_MS)
  await ended
  clearTimeout(timer)
}

async function ready (url: string): Promise<void> {
  for (;;) {
    if (await fetch(`${url}/health/ready`).then(({ ok }) => ok, () => false)) break
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
  process.stdout.write(`ready on ${url}\n`)
}
