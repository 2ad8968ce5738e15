import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const STOP_TIMEOUT_MS = 30_000

/** Starts a process whose output is kept for error messages. */
export function start (
  program: string, args: string[], options: SpawnOptions
): { child: ChildProcess, log: () => string } {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => { log = (log + chunk.toString()).slice(-20_000) })
  }
  child.once('error', (error) => { log += error.message })
  return { child, log: () => log }
}

export const hasEnded = ({ exitCode, signalCode, pid }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null || pid === undefined

/** Sends a signal and waits for the end, which SIGKILL brings about after 30 s. */
export async function stop (child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => { child.kill('SIGKILL') }, STOP_TIMEOUT_MS)
  await ended
  clearTimeout(timer)
}

/** Waits until `isDone`. @throws {Error} after `timeoutMs`. */
export async function until (what: string, isDone: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!await isDone()) {
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`)
    await sleep(20)
  }
}

/** A process and all that descend from it. */
export function family (root: number): number[] {
  const parents = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name): [number, number] => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      return [Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])]
    } catch {
      return [Number(name), 0] // it has just ended
    }
  })
  const found = [root]
  for (const pid of found) found.push(...parents.filter(([, parent]) => parent === pid).map(([child]) => child))
  return found
}

/** Sends a signal to processes, those that have ended meanwhile aside. */
export function signalAll (pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** From now on, SIGINT and SIGTERM end everything that this process has started, and then this process. */
export function endTogether (): void {
  for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    process.once(signal, () => {
      const [, ...others] = family(process.pid)
      signalAll(others, 'SIGKILL')
      process.exit(status)
    })
  }
}
