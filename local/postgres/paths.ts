import { chmodSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Files and folders of one local PostgreSQL. All of them are in `dataDir`. */
export interface Paths {
  dataDir: string
  /** PostgreSQL's own data directory. */
  cluster: string
  /** The superuser's random password, readable by its owner only. */
  password: string
  /** The server's log since its last start. The log before that has the suffix `.1`. */
  log: string
  /** A file for each process that uses the server. */
  leases: string
  /** Holds the lock for starting and stopping the server. */
  lock: string
}

/** Creates the folder if it is missing. */
export function pathsIn (folder: string): Paths {
  mkdirSync(folder, { recursive: true })
  const dataDir = realpathSync(folder) // /proc shows real paths as well
  const { mode } = statSync(dataDir)
  // The server runs as another user, who must be able to pass through.
  if (process.getuid?.() === 0 && (mode & 0o011) !== 0o011) chmodSync(dataDir, mode | 0o011)
  const at = (name: string) => join(dataDir, name)
  return {
    dataDir,
    cluster: at('cluster'),
    password: at('password'),
    log: at('postgres.log'),
    leases: at('leases'),
    lock: at('turns') // the name in existing data folders
  }
}
