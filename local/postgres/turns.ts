/**
 * One process at a time starts or stops the server.
 *
 * A turn is a numbered file that names its holder. The highest number counts: whoever finds its holder
 * gone, by kill -9 even, or finished, creates the next number, which only one process can. The highest
 * file is never removed before there is a higher one, so two processes cannot both believe they hold it;
 * a single lock file, removed and created again by whoever finds it stale, would allow just that.
 *
 * @module
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'
import { identify, isStill } from './processes.js'

/** What a finished turn says instead of its holder. */
const FINISHED = 'finished'

/** Longest wait for the others, in milliseconds: one slow start and one slow stop. */
const PATIENCE = 45_000

/** Runs `work` while no other process, nor another call in this one, does the same in `dir`. */
export async function inTurn<T> (dir: string, work: () => Promise<T>, patience = PATIENCE): Promise<T> {
  mkdirSync(dir, { recursive: true })
  let turn = take(dir)
  for (const end = Date.now() + patience; turn === undefined; turn = take(dir)) {
    if (Date.now() > end) {
      throw new LocalPostgresError(`Another process has been starting or stopping the local PostgreSQL for ${patience / 1000} s: ` +
        `end it (its id is in ${join(dir, String(highest(dir)))}) and try again, ${OR_YOUR_OWN}`)
    }
    await sleep(10 + Math.random() * 10)
  }
  try {
    return await work()
  } finally {
    writeFileSync(turn, FINISHED)
  }
}

function take (dir: string): string | undefined {
  const last = highest(dir)
  if (last > 0 && isHeld(join(dir, String(last)))) return undefined
  const mine = join(dir, String(last + 1))
  try {
    writeFileSync(mine, identify(process.pid), { flag: 'wx' })
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw err
  }
  if (highest(dir) !== last + 1) { // we were slow: others had turns since we looked
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

function isHeld (turn: string): boolean {
  try {
    const holder = readFileSync(turn, 'utf8')
    if (holder === '') return Date.now() - statSync(turn).mtimeMs < 2000 // created, its name not yet written
    return holder !== FINISHED && isStill(holder)
  } catch {
    return true // a higher turn has just replaced it: look again
  }
}
