/**
 * Placement of processes on cores, and their CPU time. Both work on Linux only: elsewhere processes are not
 * pinned, and CPU times are NaN.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'

const isLinux = process.platform === 'linux'
const canPin = isLinux && spawnSync('taskset', ['--version']).status === 0 && availableParallelism() > 1

/** The contestant has the last core to itself; database and load generator share the others. */
const last = availableParallelism() - 1
const CORES = { contestant: String(last), others: last === 1 ? '0' : `0-${last - 1}` }

export const placement: string = canPin
  ? `contestant on core ${CORES.contestant}; database, Redis, provider and load generator on ${CORES.others}`
  : 'processes are not pinned, because taskset is missing or there is only one core'

/** The command that runs `command` on the contestant's core. */
export const onContestantsCore = (command: string, args: string[]): [string, string[]] =>
  canPin ? ['taskset', ['-c', CORES.contestant, command, ...args]] : [command, args]

/** Keeps this process, and the processes that it starts, off the contestant's core. */
export function stayOffContestantsCore (): void {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', CORES.others, String(process.pid)])
}

/** Unit of the CPU times in `/proc`. */
const TICKS_PER_SECOND = isLinux ? Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100 : NaN

/**
 * CPU seconds that a process has used, by default with its children, including those that have ended.
 *
 * @returns NaN if unknown.
 */
export function cpuSeconds (pid: number, withChildren = true): number {
  if (!isLinux) return NaN
  const own = stat(pid)
  if (own === undefined) return NaN
  if (!withChildren) return own.ticks / TICKS_PER_SECOND
  let ticks = own.ticks + own.endedChildrensTicks
  for (const name of readdirSync('/proc')) {
    const child = /^\d+$/.test(name) ? stat(Number(name)) : undefined
    if (child?.parent === pid) ticks += child.ticks
  }
  return ticks / TICKS_PER_SECOND
}

interface Stat { parent: number, ticks: number, endedChildrensTicks: number }

/** @see proc_pid_stat(5) */
function stat (pid: number): Stat | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ').map(Number)
    const field = (number: number) => fields[number - 3] ?? NaN // numbered as in the manual
    return { parent: field(4), ticks: field(14) + field(15), endedChildrensTicks: field(16) + field(17) }
  } catch {
    return undefined // the process has just ended
  }
}

/** The processes that a process has started, and those that they have, with their command lines. Linux only. */
export function descendants (pid: number): { pid: number, command: string }[] {
  if (!isLinux) return []
  const children = readdirSync('/proc').map(Number).filter((other) => stat(other)?.parent === pid)
  return children.flatMap((child) => [{ pid: child, command: read(`/proc/${child}/cmdline`) }, ...descendants(child)])
}

/** The memory of a process that is in RAM, in MiB. NaN if unknown. */
export const residentMiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? NaN) / 1024

function read (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the process has just ended, or this is not Linux
  }
}

/** CPU seconds of all processes, and those that the host took from this machine. NaN if unknown. */
export function busySeconds (): { all: number, stolen: number } {
  if (!isLinux) return { all: NaN, stolen: NaN }
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1)
  const [, user = NaN, nice = NaN, system = NaN, , , , , stolen = NaN] = line.split(/\s+/).map(Number)
  return { all: (user + nice + system) / TICKS_PER_SECOND, stolen: stolen / TICKS_PER_SECOND }
}

export const machine = {
  cores: availableParallelism(),
  processor: cpus()[0]?.model ?? 'unknown',
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform} ${process.arch}`
}
