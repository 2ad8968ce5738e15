import { chmodSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What lies in the folder that the caller names, beside one another. */
export interface Place {
  dataDir: string
  /** PostgreSQL's own data directory. */
  cluster: string
  /** The superuser's, random, for its owner alone to read. */
  password: string
  /** The server's words since its last start; those before, once, in the same name with `.1`. */
  log: string
  leases: string
  turns: string
}

/** Makes the folder where it is missing. */
export function placeIn (folder: string): Place {
  mkdirSync(folder, { recursive: true })
  const dataDir = realpathSync(folder) // what the system says of a running server's directory is real, too
  const { mode } = statSync(dataDir)
  if (process.getuid?.() === 0 && (mode & 0o011) !== 0o011) chmodSync(dataDir, mode | 0o011) // the server's user passes
  const at = (name: string) => join(dataDir, name)
  return {
    dataDir, cluster: at('cluster'), password: at('password'), log: at('postgres.log'), leases: at('leases'), turns: at('turns')
  }
}
