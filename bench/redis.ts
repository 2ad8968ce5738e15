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

/**
 * Starts a Redis that writes nothing to disk, as its documentation recommends for a cache.
 *
 * @returns undefined if redis-server is not installed.
 */
export async function startRedis (folder: string): Promise<BenchRedis | undefined> {
  const { stdout = '' } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  const version = /v=(\S+)/.exec(stdout ?? '')?.[1]
  if (version === undefined) return undefined
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
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
