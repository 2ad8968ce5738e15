/**
 * Builds of this project: the current one, and an older one to compare it with.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { UsageError } from './usage-error.js'

export interface Build {
  /** Folder that holds `dist` and `package.json`. */
  root: string
  /** Version and commit, such as `0.1.0 (ac09e53)`. */
  label: string
}

export const THIS_BUILD: Build = describe(fileURLToPath(new URL('../..', import.meta.url)))

/**
 * The build in another checkout. Its benchmark servers are compiled there if they are missing, so that it runs
 * nothing but its own files.
 *
 * @throws {UsageError} if the folder holds no build.
 */
export function openBaseline (folder: string): Build {
  const root = resolve(folder)
  if (!existsSync(join(root, 'dist/src/server.js'))) {
    throw new UsageError(`${root} holds no build: run npm ci && npm run build there`)
  }
  if (!existsSync(serverFile({ root }, 'this-server'))) compileServers(root)
  return describe(root)
}

/** The file of a server of the benchmark, such as `express`. */
export const serverFile = ({ root }: Pick<Build, 'root'>, name: string): string =>
  join(root, 'dist/bench/servers', `${name}.js`)

/** The URL of a build's session store. */
export const storeModule = ({ root }: Build): string =>
  pathToFileURL(join(root, 'dist/src/sessions/index.js')).href

/**
 * Arguments for Node.js that start the production server, from the `start` script.
 *
 * @throws if the script runs anything else.
 */
export function productionArguments ({ root }: Build): string[] {
  const { scripts } = packageOf(root)
  const [program, ...args] = (scripts.start ?? '').split(' ')
  if (program !== 'node') throw new Error(`The start script of ${root} does not run node`)
  return args
}

function compileServers (root: string): void {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'bench'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new UsageError(`The servers in ${join(root, 'bench')} could not be compiled`)
}

function describe (root: string): Build {
  const { version } = packageOf(root)
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' })
  return { root, label: status === 0 ? `${version} (${stdout.trim()})` : version }
}

function packageOf (root: string): { version: string, scripts: Record<string, string> } {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as ReturnType<typeof packageOf>
}
