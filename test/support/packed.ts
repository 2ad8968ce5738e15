import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { root } from './root.js'

const run = promisify(execFile)

/** The folder of an application with the files of `npm pack` installed. */
export async function application (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'package-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const installed = join(folder, 'node_modules/cashsouk-auth')
  await mkdir(installed, { recursive: true })
  await Promise.all([
    compile('tsconfig.build.json', join(folder, 'dist')),
    compile('tsconfig.commonjs.json', join(folder, 'dist/commonjs'))
  ])
  await writeFile(join(folder, 'dist/commonjs/package.json'), '{"type":"commonjs"}')
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { files: string[] }
  for (const file of ['package.json', ...files]) {
    await cp(join(file.startsWith('dist/') ? folder : root, file), join(installed, file), { recursive: true })
  }
  // Its dependencies are linked where npm would install them.
  await symlink(join(root, 'node_modules'), join(installed, 'node_modules'))
  for (const name of ['pg', '@types', '@fastify', 'fastify', 'express', 'express-session']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  return folder
}

async function compile (config: string, outDir: string): Promise<void> {
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, config), '--noCheck', '--outDir', outDir])
}
