import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isStill } from './processes.js'

/** Says that this process uses the server. Call it, and what follows, in turn. @returns the lease. */
export function takeLease (dir: string): string {
  mkdirSync(dir, { recursive: true })
  const lease = join(dir, `${process.pid}-${randomBytes(4).toString('hex')}`)
  writeFileSync(lease, identify(process.pid))
  return lease
}

/** Gives the lease back. @returns whether nobody else uses the server; users that died without a word do not count. */
export function endLease (dir: string, lease: string): boolean {
  rmSync(lease, { force: true })
  const others = readdirSync(dir).map((name) => join(dir, name))
  const dead = others.filter((other) => !isStill(readFileSync(other, 'utf8')))
  for (const other of dead) rmSync(other, { force: true })
  return dead.length === others.length
}
