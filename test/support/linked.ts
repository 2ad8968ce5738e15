import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { root } from './root.js'

/**
 * The folder of an application that has the package as these tests run it, and other packages of this checkout.
 * ES modules only, without types: for the samples of a page.
 */
export async function linkedApplication (t: Test, packages: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'samples-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const own = join(folder, 'node_modules/cashsouk-auth')
  await mkdir(own, { recursive: true })
  await writeFile(join(own, 'package.json'), await readFile(join(root, 'package.json')))
  await symlink(join(root, 'dist-test'), join(own, 'dist'))
  for (const name of packages) {
    const path = join(folder, 'node_modules', name)
    await mkdir(dirname(path), { recursive: true })
    await symlink(join(root, 'node_modules', name), path)
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  return folder
}

/** The code of a page's first block of this language after a heading. */
export function sampleOf (page: string, heading: string, language = 'js'): string {
  const [, after = ''] = page.split(`\n## ${heading}\n`)
  const [section = ''] = after.split('\n## ')
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(section) ?? []
  if (code === undefined) throw new Error(`no ${language} under ${heading}`)
  return code
}
