import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { accountFor } from '../../local/postgres/unprivileged.js'

export interface SmallDisk {
  /** A folder on it that PostgreSQL may use as a tablespace. */
  folder: string
  /** Takes all space that is left. */
  fill (): void
  /** Gives that space back. */
  free (): void
}

/** A disk of two megabytes, for one test; undefined where this process may not mount one. */
export function smallDisk (t: Test): SmallDisk | undefined {
  const disk = mkdtempSync(join(tmpdir(), 'test-disk-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk], { timeout: 10_000 })
  t.teardown(() => {
    if (status === 0) spawnSync('umount', ['--lazy', disk], { timeout: 10_000 })
    rmSync(disk, { recursive: true, force: true })
  })
  if (status !== 0) return undefined
  const folder = join(disk, 'tablespace')
  mkdirSync(folder)
  const account = accountFor('/nonexistent')
  if (account !== undefined) chownSync(folder, account.uid, account.gid)
  const ballast = join(disk, 'ballast')
  return {
    folder,
    fill () {
      const { bavail, bsize } = statfsSync(disk)
      writeFileSync(ballast, Buffer.alloc(bavail * bsize))
    },
    free () { rmSync(ballast) }
  }
}
