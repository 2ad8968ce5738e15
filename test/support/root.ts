import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root as a URL; tests run compiled, from `dist-test/test`, or as they are, from `test`. */
export const rootUrl = new URL(import.meta.url.endsWith('.ts') ? '../../' : '../../../', import.meta.url)

/** The same as a path, which ends with a slash. */
export const root = fileURLToPath(rootUrl)

/** The URL of another module, relative to that of the module `from` and without an extension. */
export const moduleUrl = (name: string, from: string): URL => new URL(name + extname(from), from)

/** Options of Node.js for a process that runs such a module. tap's own loaders are of no use to compiled ones. */
export const nodeOptions: string[] = extname(import.meta.url) === '.ts' ? process.execArgv : []
