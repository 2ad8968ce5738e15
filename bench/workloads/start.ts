import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import { freePort } from '../../local/free-port.js'
import { productionArguments, THIS_BUILD, type Build } from '../builds.js'
import { cpuSeconds, onContestantsCore } from '../machine.js'
import type { Bench } from '../measure.js'
import { ofBaseline, THIS_SERVER } from '../names.js'
import { productionSettings } from '../servers/settings.js'
import { median } from '../statistics.js'

/** Starts of one build: wall time and CPU time to ready, in milliseconds. */
export interface Starts { rounds: number[], median: number, cpu: number }

const START_TIMEOUT_MS = 60_000
const POLL_MS = 2
const PROBE_TIMEOUT_MS = 5000

/**
 * Workload `start`: from spawning the production server to the first 200 of `/health/ready`. The table exists,
 * and the builds alternate. The first start of each build is not counted.
 */
export async function start (bench: Bench): Promise<Record<string, Starts>> {
  const { database, baseline, provider, options } = bench
  const builds: [string, Build][] = [[THIS_SERVER, THIS_BUILD]]
  if (baseline !== undefined) builds.push([ofBaseline(THIS_SERVER), baseline])
  const servers = await Promise.all(builds.map(async ([name, build]) => {
    const table = await database.create()
    const env = productionSettings(table.url, provider.url)
    return { name, build, table, env, wall: [] as number[], cpu: [] as number[] }
  }))
  for (let round = 0; round <= options.starts; round++) {
    for (const { name, build, env, wall, cpu } of round % 2 === 0 ? servers : servers.toReversed()) {
      bench.say(`start: ${round} of ${options.starts}, ${name}`)
      const took = await startOnce(build, env)
      if (round === 0) continue
      wall.push(took.wall)
      cpu.push(took.cpu)
    }
  }
  for (const { table } of servers) await table.close()
  return Object.fromEntries(servers.map(({ name, wall, cpu }) =>
    [name, { rounds: wall, median: median(wall), cpu: median(cpu) }]))
}

async function startOnce (build: Build, settings: Record<string, string>): Promise<{ wall: number, cpu: number }> {
  const port = await freePort()
  const [command, args] = onContestantsCore(process.execPath, productionArguments(build))
  const began = performance.now()
  const child = spawn(command, args, {
    cwd: build.root,
    env: { PATH: process.env.PATH, ...settings, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const exited = once(child, 'exit')
  try {
    while (!await isReady(port)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${build.label} has exited`)
      if (performance.now() - began > START_TIMEOUT_MS) throw new Error(`${build.label} is not ready in time`)
      await new Promise((resolve) => { setTimeout(resolve, POLL_MS) })
    }
    const wall = performance.now() - began
    return { wall, cpu: cpuSeconds(child.pid ?? NaN) * 1000 }
  } finally {
    child.kill() // not SIGKILL: a compile cache is written at exit
    await exited
  }
}

function isReady (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = httpGet({ host: '127.0.0.1', port, path: '/health/ready', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.once('error', () => { resolve(false) })
    request.setTimeout(PROBE_TIMEOUT_MS, () => { request.destroy(new Error('no answer in time')) })
  })
}
