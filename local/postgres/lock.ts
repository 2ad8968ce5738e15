/**
 * A lock between processes: only one at a time starts or stops the server.
 *
 * The lock is a folder of numbered files. The file with the highest number names the holder. A process that
 * finds the holder finished or gone (also after SIGKILL) creates the file with the next number, which only one
 * process can do. The highest file is removed only once there is a higher one, so two processes never hold the
 * lock. A single lock file that is removed and created again when it is stale would not ensure this.
 *
 * @module
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'
import { identify, isStill } from './processes.js'

/** Content of the highest file once its holder has released the lock. */
const RELEASED = 'finished'

/** Long enough for one slow start and one slow stop. */
const WAIT_TIMEOUT_MS = 45_000

const POLL_MS = 10

/** A holder creates its file first, then writes its name. An empty file is held until then. */
const NAMING_TIMEOUT_MS = 2000

/**
 * Runs `work` while no other process, and no other call in this one, does the same in `dir`.
 *
 * @throws {LocalPostgresError} if the lock is not free within `timeoutMs`.
 */
export async function withLock<T> (dir: string, work: () => Promise<T>, timeoutMs = WAIT_TIMEOUT_MS): Promise<T> {
  mkdirSync(dir, { recursive: true })
  const end = Date.now() + timeoutMs
  let file = acquire(dir)
  while (file === undefined) {
    if (Date.now() > end) throw timedOut(dir, timeoutMs)
    await sleep(POLL_MS + Math.random() * POLL_MS)
    file = acquire(dir)
  }
  try {
    return await work()
  } finally {
    writeFileSync(file, RELEASED)
  }
}

function timedOut (dir: string, timeoutMs: number): LocalPostgresError {
  const file = join(dir, String(highest(dir)))
  return new LocalPostgresError('Another process has been starting or stopping the local PostgreSQL ' +
    `for ${timeoutMs / 1000} s: end it (its id is in ${file}) and try again, ${OR_YOUR_OWN}`)
}

/** @returns the file that holds the lock, or undefined if another process has it. */
function acquire (dir: string): string | undefined {
  const last = highest(dir)
  if (last > 0 && isHeld(join(dir, String(last)))) return undefined
  const mine = join(dir, String(last + 1))
  try {
    writeFileSync(mine, identify(process.pid), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  }
  if (highest(dir) !== last + 1) { // others have held the lock since `last` was read
    rmSync(mine)
    return undefined
  }
  for (const name of readdirSync(dir)) {
    if (Number(name) <= last) rmSync(join(dir, name), { force: true })
  }
  return mine
}

function highest (dir: string): number {
  return Math.max(0, ...readdirSync(dir).map(Number).filter(Number.isInteger))
}

function isHeld (file: string): boolean {
  try {
    const holder = readFileSync(file, 'utf8')
    if (holder === '') return Date.now() - statSync(file).mtimeMs < NAMING_TIMEOUT_MS
    return holder !== RELEASED && isStill(holder)
  } catch {
    return true // a higher file has just replaced it
  }
}
