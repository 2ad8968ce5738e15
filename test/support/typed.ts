import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { t as file, type Test } from 'tap'
import { root } from './root.js'

const run = promisify(execFile)
const compiler = join(root, 'node_modules/typescript/bin/tsc')

/** Made once for all tests of a process. */
let declarations: Promise<string> | undefined

/**
 * What TypeScript says of these files in an application that has the types of the package, with `strict` and
 * `exactOptionalPropertyTypes`; empty if it is content.
 *
 * @param sources their texts by name.
 */
export async function typeErrors (t: Test, sources: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'typed-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'node_modules'))
  await symlink(await (declarations ??= declare()), join(folder, 'node_modules/cashsouk-auth'))
  for (const name of ['fastify', '@fastify', '@types', 'pg', 'fastify-plugin']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  for (const [name, text] of Object.entries(sources)) await writeFile(join(folder, name), text)
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      preserveSymlinks: true
    },
    files: Object.keys(sources)
  }))
  return run(process.execPath, [compiler, '-p', folder]).then(() => '', (error: unknown) =>
    (error as { stdout: string }).stdout)
}

/** A folder with the declarations of every entry. */
async function declare (): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'declarations-'))
  file.teardown(() => rm(folder, { recursive: true, force: true }))
  await run(process.execPath, [
    compiler, '-p', join(root, 'tsconfig.build.json'), '--noCheck', '--emitDeclarationOnly', '--outDir', folder
  ])
  await writeFile(join(folder, 'package.json'), JSON.stringify({
    type: 'module',
    exports: {
      '.': { types: './index.d.ts' },
      './session-store': { types: './src/sessions/index.d.ts' },
      './testing': { types: './testing/index.d.ts' }
    }
  }))
  return folder
}
