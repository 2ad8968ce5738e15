/**
 * PostgreSQL refuses to run as root. In a container one often is, so it then runs as another user.
 *
 * That user may be unable to enter the checkout (a 0700 folder such as /root). The data stays there all
 * the same: the server is started inside its data directory and told that this is `/proc/self/cwd`, which
 * needs no way in from above. The binaries do need one, for the loader; they are copied once to a folder
 * of root's that everybody may enter.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, lstatSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { movedTo, type Binaries } from './binaries.js'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'

export interface Account { uid: number, gid: number }

/**
 * The user to run as: undefined for one's own; for root, whoever owns the data already, else `postgres` or
 * `nobody`. A number without a name will not do: initdb insists on a name.
 */
export function accountFor (cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const owner = statSync(cluster, { throwIfNoEntry: false })
  if (owner && owner.uid !== 0) return { uid: owner.uid | 0, gid: owner.gid | 0 } // | 0: macOS has a user -2
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (user) return { uid: Number(user[2]), gid: Number(user[3]) }
  throw new LocalPostgresError('PostgreSQL does not run as root, and /etc/passwd has neither a postgres nor a nobody: ' +
    `start as an ordinary user, ${OR_YOUR_OWN}`)
}

/** The binaries, or a copy of them, where `account` can run them. */
export function runnable (binaries: Binaries, account: Account | undefined): Binaries {
  if (account === undefined || runs(binaries, account)) return binaries
  for (const parent of new Set([tmpdir(), '/var/tmp', '/var/lib'])) {
    const copy = movedTo(join(parent, `cashsouk-auth-postgres-${binaries.version}-${process.arch}`), binaries)
    if (!isTrusted(copy.native)) continue // somebody else's: never run what another user put there
    if (!isComplete(copy, binaries)) copyTo(copy.native, binaries.native)
    if (runs(copy, account)) return copy
  }
  throw new LocalPostgresError(`PostgreSQL does not run as root, and user ${account.uid} can run it neither in ${binaries.native} ` +
    `nor as a copy in ${tmpdir()}: start as an ordinary user, ${OR_YOUR_OWN}`)
}

function runs ({ postgres }: Binaries, account: Account): boolean {
  return spawnSync(postgres, ['--version'], { ...account, cwd: '/', timeout: 10_000 }).status === 0
}

/** Whether the folder is ours alone to write, or is not there yet. */
function isTrusted (dir: string): boolean {
  const stat = lstatSync(dir, { throwIfNoEntry: false })
  return !stat || (stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0)
}

/** Cleaners of temporary folders remove file by file, so that a copy may have lost some. */
function isComplete (copy: Binaries, binaries: Binaries): boolean {
  const names = (dir: string) => readdirSync(dir, { recursive: true }).sort().join()
  return statSync(copy.native, { throwIfNoEntry: false }) !== undefined && names(copy.native) === names(binaries.native)
}

function copyTo (target: string, source: string): void {
  const made = mkdtempSync(`${target}.`) // nobody else's, and complete before it gets its name
  cpSync(source, made, { recursive: true, verbatimSymlinks: true })
  for (const entry of readdirSync(made, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) open(join(entry.parentPath, entry.name))
  }
  open(made)
  try {
    rmSync(target, { recursive: true, force: true })
    renameSync(made, target)
  } catch {
    rmSync(made, { recursive: true, force: true }) // another process was faster; what counts is whether its copy runs
  }
}

/** Lets everybody read, nobody but the owner write, and execute as before. */
function open (path: string): void {
  const { mode } = statSync(path)
  chmodSync(path, mode & 0o100 ? 0o755 : 0o644)
}
