import { spawn, type SpawnOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Binaries } from './binaries.js'
import { LocalPostgresError, oneLine, OR_YOUR_OWN } from './error.js'
import type { Place } from './place.js'
import type { Account } from './unprivileged.js'

/** What runs a PostgreSQL program: which one, and as whom. */
export interface Runner {
  binaries: Binaries
  /** Undefined: as the user of this process. */
  account: Account | undefined
}

/** Longest wait for initdb, in milliseconds. */
const PATIENCE = 30_000

/**
 * Makes the cluster where there is none.
 *
 * @param durable false: does not wait for the disk.
 * @throws {LocalPostgresError} when what is there was made by another major version, or its password is lost.
 */
export async function ensureCluster (runner: Runner, place: Place, durable: boolean): Promise<void> {
  if (!existsSync(place.cluster)) return create(runner, place, durable)
  const made = readFileSync(join(place.cluster, 'PG_VERSION'), 'utf8').trim()
  const ours = runner.binaries.version.split('.')[0]
  if (made !== ours) {
    throw new LocalPostgresError(`${place.dataDir} was made by PostgreSQL ${made}, and this is ${ours}: ` +
      `remove that folder, or move what you want to keep with the pg_dump of ${made}, ${OR_YOUR_OWN}`)
  }
  if (!existsSync(place.password)) {
    throw new LocalPostgresError(`${place.password} is lost, and the data in ${place.dataDir} with it: remove that folder, ${OR_YOUR_OWN}`)
  }
}

async function create ({ binaries, account }: Runner, place: Place, durable: boolean): Promise<void> {
  const fresh = `${place.cluster}.new` // has its name only once it is complete
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh)
  chmodSync(fresh, 0o700)
  rmSync(place.password, { force: true })
  writeFileSync(place.password, randomBytes(24).toString('hex'), { mode: 0o600, flag: 'wx' })
  if (account) for (const path of [fresh, place.password]) chownSync(path, account.uid >>> 0, account.gid >>> 0)

  const initdb = spawn(binaries.initdb, [
    '-D', dataPath(account, fresh), '--username=postgres', `--pwfile=${dataPath(account, fresh)}/../password`,
    '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C',
    // New in PostgreSQL 17.
    ...(parseInt(binaries.version) < 17 ? [] : ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']),
    '--no-instructions', ...(durable ? [] : ['--no-sync'])
  ], { ...inside(account, fresh), stdio: ['ignore', 'ignore', 'pipe'], signal: AbortSignal.timeout(PATIENCE), killSignal: 'SIGKILL' })
  const [reason, code] = await Promise.all([
    text(initdb.stderr),
    new Promise<number | string | null>((resolve) => {
      initdb.once('error', (err) => { resolve(err.name === 'AbortError' ? 'too slow' : err.message) }).once('close', resolve)
    })
  ])
  if (code !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    throw new LocalPostgresError(`PostgreSQL could not set up ${place.dataDir} ` +
      `(initdb: ${oneLine(reason, 3) || code}): see that the disk has room and the folder is yours, ${OR_YOUR_OWN}`)
  }
  renameSync(fresh, place.cluster)
}

/** How the process that {@link inside} starts in `cluster` reaches it, also where its user may not come from above. */
export function dataPath (account: Account | undefined, cluster: string): string {
  return account && process.platform === 'linux' ? '/proc/self/cwd' : cluster
}

/** Starts a program in `cluster`, as the right user, without what is in the environment: `PG…` variables, secrets. */
export function inside (account: Account | undefined, cluster: string): SpawnOptions {
  const env = Object.fromEntries(['PATH', 'SystemRoot', 'TEMP', 'TMP'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }))
  return { cwd: cluster, env: { ...env, LC_ALL: 'C', TZ: 'UTC' }, windowsHide: true, ...account }
}
