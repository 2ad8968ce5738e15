/**
 * Who runs where, and what it costs the processor. On Linux; elsewhere everything runs where it likes,
 * and the processor's time is not known.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'

const canPin = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0 && availableParallelism() > 1

/** The contestant has the last core; database and load generator share the others. */
const last = availableParallelism() - 1
const CORES = { contestant: String(last), others: last === 1 ? '0' : `0-${last - 1}` }

export const placement: string = canPin
  ? `contestant on core ${CORES.contestant}; database, Redis, provider and load generator on ${CORES.others}`
  : 'no core is anybody\'s own: there is no taskset, or one core only'

/** The command that runs `command` on the contestant's core. */
export const onContestantsCore = (command: string, args: string[]): [string, string[]] =>
  canPin ? ['taskset', ['-c', CORES.contestant, command, ...args]] : [command, args]

/** Keeps this process, and those it starts, off the contestant's core. */
export function stayOffContestantsCore (): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', CORES.others, String(process.pid)])
}

/** Ticks of the processor's time in a second, as `/proc` counts. */
const TICKS = process.platform === 'linux' ? Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100 : NaN

/** Seconds of the processor's time that a process and, unless told otherwise, its children, dead ones included, have used. NaN where unknown. */
export function cpuSeconds (pid: number, withChildren = true): number {
  if (process.platform !== 'linux') return NaN
  const own = stat(pid)
  if (own === undefined) return NaN
  if (!withChildren) return own.ticks / TICKS
  let ticks = own.ticks + own.deadChildren
  for (const name of readdirSync('/proc')) {
    const child = /^\d+$/.test(name) ? stat(Number(name)) : undefined
    if (child?.parent === pid) ticks += child.ticks
  }
  return ticks / TICKS
}

/** @see proc_pid_stat(5) */
function stat (pid: number): { parent: number, ticks: number, deadChildren: number } | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ').map(Number)
    const at = (number: number) => fields[number - 3] ?? NaN // as the manual counts them
    return { parent: at(4), ticks: at(14) + at(15), deadChildren: at(16) + at(17) }
  } catch {
    return undefined // it has just ended
  }
}

/** Seconds that the processor was busy for anybody, and was kept from this machine by its host. NaN where unknown. */
export function busySeconds (): { all: number, stolen: number } {
  if (process.platform !== 'linux') return { all: NaN, stolen: NaN }
  const [, user = NaN, nice = NaN, system = NaN, , , , , stolen = NaN] = (readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '').split(/\s+/).map(Number)
  return { all: (user + nice + system) / TICKS, stolen: stolen / TICKS }
}

export const machine = {
  cores: availableParallelism(), processor: cpus()[0]?.model ?? 'unknown', memoryGiB: Math.round(totalmem() / 2 ** 30), platform: `${process.platform} ${process.arch}`
}
