import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../local/free-port.js'
import { cpuSeconds } from './machine.js'

export interface BenchRedis { url: string, version: string, cpu: () => number, close (): Promise<void> }

/** A Redis that keeps nothing on disk, as its documentation has it for a cache; undefined where there is none. */
export async function startRedis (folder: string): Promise<BenchRedis | undefined> {
  const version = /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]
  if (version === undefined) return undefined
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => { if (String(chunk).includes('Ready to accept connections')) resolve() })
    child.once('error', reject).once('exit', () => { reject(new Error('redis-server ended')) })
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    version,
    cpu: () => cpuSeconds(child.pid ?? NaN),
    async close () { child.kill(); await ended }
  }
}
