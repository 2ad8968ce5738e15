import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { t as file, type Test } from 'tap'
import { root } from './root.js'

const run = promisify(execFile)

/** Made once for all tests of a process. */
let build: Promise<string> | undefined

/** The folder of an application with the files of `npm pack` installed. */
export async function application (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'package-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const installed = join(folder, 'node_modules/cashsouk-auth')
  await mkdir(installed, { recursive: true })
  const compiled = await (build ??= compile())
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { files: string[] }
  for (const file of ['package.json', ...files]) {
    if (file.startsWith('dist/') && !['dist/src', 'dist/commonjs', 'dist/client'].includes(file)) continue
    if (file.startsWith('!')) continue
    await cp(join(file.startsWith('dist/') ? compiled : root, file), join(installed, file), { recursive: true })
  }
  // Its dependencies are linked where npm would install them.
  await symlink(join(root, 'node_modules'), join(installed, 'node_modules'))
  for (const name of ['pg', '@types', '@fastify', 'fastify', 'express', 'express-session']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  return folder
}

/** Compiles the store and the client, without the server, which has no exports. */
async function compile (): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'package-build-'))
  file.teardown(() => rm(folder, { recursive: true, force: true }))
  const typeRoots = [join(root, 'node_modules/@types')]
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions: { outDir: 'dist', typeRoots },
    include: [],
    files: [join(root, 'src/sessions/index.ts')]
  }))
  await writeFile(join(folder, 'tsconfig.commonjs.json'), JSON.stringify({
    extends: join(root, 'tsconfig.commonjs.json'), compilerOptions: { outDir: 'dist/commonjs', typeRoots }
  }))
  for (const config of ['tsconfig.json', 'tsconfig.commonjs.json']) {
    await run(join(root, 'node_modules/.bin/tsc'), ['-p', join(folder, config), '--noCheck'])
  }
  await run(join(root, 'node_modules/.bin/tsc'), [
    '-p', join(root, 'client'), '--noCheck', '--outDir', join(folder, 'dist/client')
  ])
  await writeFile(join(folder, 'dist/commonjs/package.json'), '{"type":"commonjs"}')
  return folder
}
