/**
 * The package from a clone of this repository, as from its git address. Needs the npm registry, and git.
 *
 * @module
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { entriesOf, manifestOf, run, temporaryFolder } from '../support/npm-pack.js'
import { root } from '../support/root.js'

const folder = await temporaryFolder()
const clone = join(folder, 'clone')
await run('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, clone], { cwd: folder })
const manifest = await manifestOf(clone)

/** The files that `exports` names. */
function targets (value: unknown): string[] {
  return typeof value === 'string' ? [value.replace('./', '')] : Object.values(value as object).flatMap(targets)
}

test('npm install from a git address gives every entry', async (t) => {
  const project = await temporaryFolder()
  await writeFile(join(project, 'package.json'), '{"private":true,"type":"module"}')

  await run('npm', ['install', '--no-audit', '--no-fund', `git+file://${clone}`], { cwd: project })

  const names = entriesOf(manifest).map(({ name }) => name)
  await writeFile(join(project, 'index.js'), `
const seen = await Promise.all(${JSON.stringify(names)}.map(async (name) => Object.keys(await import(name)).length > 0))
console.log(JSON.stringify(seen))`)
  t.same(JSON.parse((await run(process.execPath, ['index.js'], { cwd: project })).stdout), names.map(() => true))
})

test('npm pack in a fresh clone holds every file that exports names', async (t) => {
  const { stdout } = await run('npm', ['pack', '--json'], { cwd: clone })
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { files: { path: string }[] }>)
  const files = packed?.files.map(({ path }) => path) ?? []
  const missing = targets(manifest.exports).filter((file) => !files.includes(file))
  t.ok(files.length > 300, `${files.length} files`)
  t.same(missing, [])
})
