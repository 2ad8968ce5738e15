/**
 * PostgreSQL refuses to run as root, which is common in containers. It then runs as another user.
 *
 * That user may be unable to enter the checkout (a 0700 folder such as /root). The data stays in the checkout:
 * the server starts with its data directory as the working directory and uses it as `/proc/self/cwd`, which
 * needs no access to the folders above. The loader does need access to the binaries, so they are copied once to
 * a folder that root owns and every user may enter.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync, cpSync, lstatSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { movedTo, type Binaries } from './binaries.js'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'

const VERSION_TIMEOUT_MS = 10_000

export interface Account { uid: number, gid: number }

/**
 * The user to run as. Undefined: the current user. For root it is the owner of existing data, otherwise
 * `postgres` or `nobody`, because initdb requires a user id that has a name.
 */
export function accountFor (cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const owner = statSync(cluster, { throwIfNoEntry: false })
  if (owner && owner.uid !== 0) return { uid: owner.uid | 0, gid: owner.gid | 0 } // | 0: macOS has a user -2
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (user) return { uid: Number(user[2]), gid: Number(user[3]) }
  throw new LocalPostgresError('PostgreSQL does not run as root, and /etc/passwd has no user postgres or nobody: ' +
    `start as an ordinary user, ${OR_YOUR_OWN}`)
}

/** The binaries if `account` can run them, otherwise a copy that it can run. */
export function runnable (binaries: Binaries, account: Account | undefined): Binaries {
  if (account === undefined || runs(binaries, account)) return binaries
  for (const parent of new Set([tmpdir(), '/var/tmp', '/var/lib'])) {
    const copy = movedTo(join(parent, `cashsouk-auth-postgres-${binaries.version}-${process.arch}`), binaries)
    if (!isTrusted(copy.native)) continue // another user may have put it there
    if (!isComplete(copy, binaries)) copyTo(copy.native, binaries.native)
    if (runs(copy, account)) return copy
  }
  throw new LocalPostgresError(`PostgreSQL does not run as root, and user ${account.uid} can run it ` +
    `neither in ${binaries.native} nor as a copy in ${tmpdir()}: start as an ordinary user, ${OR_YOUR_OWN}`)
}

function runs ({ postgres }: Binaries, account: Account): boolean {
  return spawnSync(postgres, ['--version'], { ...account, cwd: '/', timeout: VERSION_TIMEOUT_MS }).status === 0
}

/** Whether the folder does not exist yet, or only the current user may write to it. */
function isTrusted (dir: string): boolean {
  const stat = lstatSync(dir, { throwIfNoEntry: false })
  return !stat || (stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0)
}

/** Programs that clean temporary folders remove single files, so a copy may be incomplete. */
function isComplete (copy: Binaries, binaries: Binaries): boolean {
  const names = (dir: string) => readdirSync(dir, { recursive: true }).sort().join()
  const exists = statSync(copy.native, { throwIfNoEntry: false }) !== undefined
  return exists && names(copy.native) === names(binaries.native)
}

function copyTo (target: string, source: string): void {
  const draft = mkdtempSync(`${target}.`) // renamed once it is complete
  cpSync(source, draft, { recursive: true, verbatimSymlinks: true })
  for (const entry of readdirSync(draft, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) allowAll(join(entry.parentPath, entry.name))
  }
  allowAll(draft)
  try {
    rmSync(target, { recursive: true, force: true })
    renameSync(draft, target)
  } catch {
    rmSync(draft, { recursive: true, force: true }) // another process was faster; the caller checks its copy
  }
}

/** Lets every user read, only the owner write, and keeps execution as it was. */
function allowAll (path: string): void {
  const { mode } = statSync(path)
  chmodSync(path, mode & 0o100 ? 0o755 : 0o644)
}
