/**
 * Transpiles each changed source to `dist` while `npm run dev` runs, without checking its types.
 *
 * @module
 */
import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { transform } from 'esbuild'

const FOLDERS = ['src', 'plugins', 'routes']
const ENTRY = 'index.ts'

/** An editor writes a file in several steps. */
const SETTLE_MS = 30

/** Returns a function that stops it. A file that cannot be transpiled is reported, and its output is kept. */
export function transpileChanges (report: (message: string) => void): () => void {
  const watchers: FSWatcher[] = []
  const timers = new Map<string, NodeJS.Timeout>()

  const changed = (path: string) => {
    if (!path.endsWith('.ts')) {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) watchFolder(path)
      return
    }
    clearTimeout(timers.get(path))
    timers.set(path, setTimeout(() => {
      timers.delete(path)
      transpile(path).catch((error: unknown) => { report(`${path}: ${(error as Error).message}`) })
    }, SETTLE_MS))
  }

  // One watcher per folder, because a file's watcher is lost when an editor replaces the file.
  const watchFolder = (folder: string) => {
    watchers.push(watch(folder, (_event, name) => { if (name !== null) changed(join(folder, name)) }))
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) watchFolder(join(folder, entry.name))
    }
  }

  for (const folder of FOLDERS) watchFolder(folder)
  watchers.push(watch('.', (_event, name) => { if (name === ENTRY) changed(ENTRY) }))
  return () => {
    for (const watcher of watchers) watcher.close()
    for (const timer of timers.values()) clearTimeout(timer)
  }
}

async function transpile (path: string): Promise<void> {
  const output = join('dist', path.replace(/\.ts$/, '.js'))
  const source = await readFile(path, 'utf8').catch(() => undefined)
  if (source === undefined) {
    await rm(output, { force: true })
    return
  }
  const { code } = await transform(source, {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
    sourcefile: path,
    sourcemap: 'inline', // fastify-cli restarts once for each file that is written
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } }
  })
  await mkdir(dirname(output), { recursive: true })
  await writeFile(output, code)
}
