/**
 * Identifies processes, beyond their ids: the id of a process that has ended may belong to another program,
 * in particular after the machine was restarted.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 10

/** Whether the process runs. A zombie does not: it has ended, and its parent has not read its exit status. */
export function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !/^[ZX]/.test(linuxStat(pid)?.[0] ?? '')
}

/** Waits until the process has ended. @returns whether it has within `timeoutMs`. */
export async function ended (pid: number, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs
  while (isAlive(pid)) {
    if (Date.now() > end) return false
    await sleep(POLL_MS)
  }
  return true
}

/** `pid start`, which differs from that of every later process with the same id. */
export function identify (pid: number): string {
  return `${pid} ${startOf(pid)}`
}

/** Whether the process that {@link identify} described still runs. */
export function isStill (identity: string): boolean {
  const pid = Number.parseInt(identity)
  return pid > 0 && isAlive(pid) && identify(pid) === identity
}

/** Whether `pid` is the postmaster of the data directory `cluster` (a real path). */
export function isPostmaster (pid: number, cluster: string): boolean {
  if (!isAlive(pid)) return false
  if (process.platform === 'win32') return true // there is no cheap way to tell; a connection attempt will
  if (process.platform !== 'linux') return ps(pid, 'command=').includes(`-D ${cluster} `)
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'postgres\n' && readlinkSync(`/proc/${pid}/cwd`) === cluster
  } catch {
    return false // it has just ended, or belongs to another user
  }
}

/** Start time of the process, in the system's own format. Empty on Windows, which has no cheap way to tell. */
function startOf (pid: number): string {
  switch (process.platform) {
    case 'linux': return `${linuxStat(pid)?.[19]} ${bootId()}`
    case 'win32': return ''
    default: return ps(pid, 'lstart=')
  }
}

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** The fields of `/proc/PID/stat` after the name, which may contain spaces: first the state; 20th the start time. */
function linuxStat (pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

function ps (pid: number, field: string): string {
  return spawnSync('ps', ['-ww', '-o', field, '-p', String(pid)], { encoding: 'utf8', timeout: 2000 }).stdout.trim()
}
