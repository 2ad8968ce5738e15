/**
 * Which processes live, and which of them are who they were.
 *
 * A process id alone says little: after a crash or a restart of the machine it belongs to another program.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether the process runs. A zombie, which only waits for its parent to notice, does not. */
export function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !/^[ZX]/.test(linuxStat(pid)?.[0] ?? '')
}

/** Waits until the process is gone. @returns whether that happened within `ms` milliseconds. */
export async function ended (pid: number, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; isAlive(pid); await sleep(10)) {
    if (Date.now() > end) return false
  }
  return true
}

/** A name for the process that no later process with the same id has: `pid start`. */
export function identify (pid: number): string {
  return `${pid} ${startOf(pid)}`
}

/** Whether the process that {@link identify} named is still that process. */
export function isStill (identity: string): boolean {
  const pid = Number.parseInt(identity)
  return pid > 0 && isAlive(pid) && identify(pid) === identity
}

/** Whether `pid` is the postmaster of the data directory `cluster` (a real path). */
export function isPostmaster (pid: number, cluster: string): boolean {
  if (!isAlive(pid)) return false
  if (process.platform === 'win32') return true // nothing cheap tells; whether it answers decides
  if (process.platform !== 'linux') return ps(pid, 'command=').includes(`-D ${cluster} `)
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'postgres\n' && readlinkSync(`/proc/${pid}/cwd`) === cluster
  } catch {
    return false // it has just ended, or it is another user's
  }
}

/** When the process began, in words of the system's own. Empty where nothing cheap tells. */
function startOf (pid: number): string {
  switch (process.platform) {
    case 'linux': return `${linuxStat(pid)?.[19]} ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`
    case 'win32': return ''
    default: return ps(pid, 'lstart=')
  }
}

/** The fields of `/proc/PID/stat` after the name, which may itself hold blanks: state first, start time 20th. */
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
