import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../local/free-port.js'
import { cpuSeconds } from './machine.js'

export interface BenchRedis {
  url: string
  version: string
  /** CPU seconds so far. */
  cpu: () => number
  close (): Promise<void>
}

/** Nothing is written to disk, as the documentation of Redis recommends for a cache. */
const CACHE = ['--appendonly', 'no']

/**
 * A change is on disk before it is acknowledged.
 *
 * @see {@link https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/#append-only-file}
 */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

/**
 * Starts a Redis.
 *
 * @param folder for its files; it must exist.
 * @param isDurable whether it promises what PostgreSQL promises: an acknowledged change survives a crash.
 * @returns undefined if redis-server is not installed.
 */
export async function startRedis (folder: string, isDurable: boolean): Promise<BenchRedis | undefined> {
  const { stdout = '' } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  const version = /v=(\S+)/.exec(stdout ?? '')?.[1]
  if (version === undefined) return undefined
  const port = await freePort()
  const persistence = isDurable ? DURABLE : CACHE
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...persistence, '--dir', folder]
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      if (String(chunk).includes('Ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => { reject(new Error('redis-server has exited')) })
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    version,
    cpu: () => cpuSeconds(child.pid ?? NaN),
    async close () {
      child.kill()
      await ended
    }
  }
}
