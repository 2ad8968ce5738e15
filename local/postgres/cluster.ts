import { spawn, type SpawnOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Binaries } from './binaries.js'
import { LocalPostgresError, oneLine, OR_YOUR_OWN } from './error.js'
import type { Paths } from './paths.js'
import type { Account } from './unprivileged.js'

/** Which PostgreSQL programs to run, and as which user. */
export interface Runner {
  binaries: Binaries
  /** Undefined: the user of this process. */
  account: Account | undefined
}

const INITDB_TIMEOUT_MS = 30_000

/**
 * Creates the cluster if there is none.
 *
 * @param durable false: does not wait for the disk.
 * @throws {LocalPostgresError} if another major version created the cluster, or its password is lost.
 */
export async function ensureCluster (runner: Runner, paths: Paths, durable: boolean): Promise<void> {
  if (!existsSync(paths.cluster)) return create(runner, paths, durable)
  const existing = readFileSync(join(paths.cluster, 'PG_VERSION'), 'utf8').trim()
  const ours = runner.binaries.version.split('.')[0]
  if (existing !== ours) {
    throw new LocalPostgresError(`${paths.dataDir} was made by PostgreSQL ${existing}, and this is ${ours}: ` +
      `remove that folder, or move its data with the pg_dump of ${existing}, ${OR_YOUR_OWN}`)
  }
  if (!existsSync(paths.password)) {
    throw new LocalPostgresError(`${paths.password} is lost, so the data in ${paths.dataDir} cannot be used: ` +
      `remove that folder, ${OR_YOUR_OWN}`)
  }
}

async function create ({ binaries, account }: Runner, paths: Paths, durable: boolean): Promise<void> {
  const fresh = `${paths.cluster}.new` // renamed once it is complete
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh)
  chmodSync(fresh, 0o700)
  rmSync(paths.password, { force: true })
  writeFileSync(paths.password, randomBytes(24).toString('hex'), { mode: 0o600, flag: 'wx' })
  if (account !== undefined) {
    for (const path of [fresh, paths.password]) chownSync(path, account.uid >>> 0, account.gid >>> 0)
  }

  const initdb = spawn(binaries.initdb, [
    '-D', dataPath(account, fresh),
    '--username=postgres', `--pwfile=${dataPath(account, fresh)}/../password`,
    '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C',
    // Supported since PostgreSQL 17.
    ...(parseInt(binaries.version) < 17 ? [] : ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']),
    '--no-instructions', ...(durable ? [] : ['--no-sync'])
  ], {
    ...inside(account, fresh),
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: AbortSignal.timeout(INITDB_TIMEOUT_MS),
    killSignal: 'SIGKILL'
  })
  const [reason, code] = await Promise.all([
    text(initdb.stderr),
    new Promise<number | string | null>((resolve) => {
      initdb.once('close', resolve)
      initdb.once('error', ({ name, message }) => { resolve(name === 'AbortError' ? 'too slow' : message) })
    })
  ])
  if (code !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    throw new LocalPostgresError(`PostgreSQL could not set up ${paths.dataDir} ` +
      `(initdb: ${oneLine(reason, 3) || code}): ` +
      `check that the disk has room and that you own the folder, ${OR_YOUR_OWN}`)
  }
  renameSync(fresh, paths.cluster)
}

/** Path of `cluster` for a process that {@link inside} starts. Its user may be unable to enter the folders above. */
export function dataPath (account: Account | undefined, cluster: string): string {
  return account && process.platform === 'linux' ? '/proc/self/cwd' : cluster
}

/** Options to start a program in `cluster` as the right user, without the secrets and `PG…` variables of `env`. */
export function inside (account: Account | undefined, cluster: string): SpawnOptions {
  const kept = ['PATH', 'SystemRoot', 'TEMP', 'TMP'].map((name) => [name, process.env[name]] as const)
  const env = Object.fromEntries(kept.filter(([, value]) => value !== undefined))
  return { cwd: cluster, env: { ...env, LC_ALL: 'C', TZ: 'UTC' }, windowsHide: true, ...account }
}
