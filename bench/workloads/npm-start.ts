import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../local/free-port.js'
import { THIS_BUILD, type Build } from '../builds.js'
import { Connection } from '../load/connection.js'
import { signInOnce } from '../load/users.js'
import { descendants, onContestantsCore, residentMiB } from '../machine.js'
import type { Bench } from '../measure.js'
import { ofBaseline, THIS_SERVER } from '../names.js'
import { productionSettings } from '../servers/settings.js'
import { median } from '../statistics.js'

/** `npm start` of one build: milliseconds to the first signed-in user, and MiB resident when idle afterwards. */
export interface NpmStarts { rounds: number[], median: number, idleMiB: number }

const TIMEOUT_MS = 120_000
const POLL_MS = 10
const IDLE_MS = 10_000

/**
 * Workload `npm-start`: from `npm start` in a folder that has been built to the answer of the first callback, with
 * all that the script does before. The table exists, and the builds alternate. The first start of each build is not
 * counted.
 */
export async function npmStart (bench: Bench): Promise<Record<string, NpmStarts>> {
  const { database, baseline, provider, options } = bench
  const builds: [string, Build][] = [[THIS_SERVER, THIS_BUILD]]
  if (baseline !== undefined) builds.push([ofBaseline(THIS_SERVER), baseline])
  const servers = await Promise.all(builds.map(async ([name, build]) => {
    const table = await database.create()
    return {
      name, build, table, env: productionSettings(table.url, provider.url), wall: [] as number[], idle: [] as number[]
    }
  }))
  for (let round = 0; round <= options.starts; round++) {
    for (const { name, build, env, wall, idle } of round % 2 === 0 ? servers : servers.toReversed()) {
      bench.say(`npm-start: ${round} of ${options.starts}, ${name}`)
      const took = await startOnce(build, env)
      if (round === 0) continue
      wall.push(took.wall)
      idle.push(took.idleMiB)
    }
  }
  for (const { table } of servers) await table.close()
  return Object.fromEntries(servers.map(({ name, wall, idle }) =>
    [name, { rounds: wall, median: median(wall), idleMiB: median(idle) }]))
}

async function startOnce (build: Build, settings: Record<string, string>): Promise<{ wall: number, idleMiB: number }> {
  const port = await freePort()
  const [command, args] = onContestantsCore('npm', ['start'])
  const began = performance.now()
  const child = spawn(command, args, {
    cwd: build.root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true // npm and the server are one group, to be ended together
  })
  const exited = once(child, 'exit')
  try {
    while (!await signsIn(port)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${build.label} has exited`)
      if (performance.now() - began > TIMEOUT_MS) throw new Error(`${build.label} signs in no one in time`)
      await sleep(POLL_MS)
    }
    const wall = performance.now() - began
    await sleep(IDLE_MS)
    // npm starts a shell, and that the server.
    const server = descendants(child.pid ?? NaN).findLast(({ command }) => command.includes('src/server.js'))
    return { wall, idleMiB: residentMiB(server?.pid ?? NaN) }
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
    await exited
  }
}

async function signsIn (port: number): Promise<boolean> {
  const connection = new Connection(port)
  try {
    return (await signInOnce(connection)).status === 303
  } catch {
    return false
  } finally {
    connection.close()
  }
}
