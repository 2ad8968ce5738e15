import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { root } from './root.js'

/** A folder whose programs import `cashsouk-auth` as it was compiled for the tests, and `fastify`. */
export async function installed (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'installed-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const home = join(folder, 'node_modules/cashsouk-auth')
  await mkdir(home, { recursive: true })
  const entry = pathToFileURL(join(root, 'dist-test/index.js')).href
  await writeFile(join(home, 'package.json'), '{"type":"module","exports":"./index.js"}')
  await writeFile(join(home, 'index.js'), `export * from '${entry}'\nexport { default } from '${entry}'\n`)
  await symlink(join(root, 'node_modules/fastify'), join(folder, 'node_modules/fastify'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  return folder
}
