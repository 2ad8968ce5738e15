import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isStill } from './processes.js'

/** Records that this process uses the server. The caller must hold the lock. @returns the lease. */
export function takeLease (dir: string): string {
  mkdirSync(dir, { recursive: true })
  const lease = join(dir, `${process.pid}-${randomBytes(4).toString('hex')}`)
  writeFileSync(lease, identify(process.pid))
  return lease
}

/** Ends the lease. The caller must hold the lock. @returns whether no other live process uses the server. */
export function endLease (dir: string, lease: string): boolean {
  rmSync(lease, { force: true })
  const others = readdirSync(dir).map((name) => join(dir, name))
  const dead = others.filter((other) => !isStill(readFileSync(other, 'utf8')))
  for (const other of dead) rmSync(other, { force: true })
  return dead.length === others.length
}
