import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { root, rootUrl } from '../support/root.js'

const run = promisify(execFile)

/** The pages of a folder by their path. */
async function pagesOf (folder: string): Promise<Record<string, string>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(await Promise.all(
    paths.map(async (path) => [path.slice(folder.length), await readFile(path, 'utf8')] as const)
  ))
}

test('docs/api is what npm run docs:api makes of the doc comments', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'api-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))

  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc')
  await run(process.execPath, [typedoc, '--logLevel', 'Error', '--out', folder], {
    cwd: root, env: { ...process.env, NODE_OPTIONS: '' }
  })

  t.same(await pagesOf(join(root, 'docs/api')), await pagesOf(folder))
})

test('docs/api has every entry of the package', async (t) => {
  const text = async (path: string) => readFile(new URL(path, rootUrl), 'utf8')
  const { exports } = JSON.parse(await text('package.json')) as { exports: Record<string, unknown> }
  const { entryPoints } = JSON.parse(await text('typedoc.json')) as { entryPoints: string[] }
  const targets = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : Object.values(value as object).flatMap(targets)
  const sources = Object.values(exports).map((target) => targets(target)
    .filter((path) => path.endsWith('.js') && !path.includes('/commonjs/'))
    .map((path) => path.replace('./dist/', '').replace(/\.js$/, '.ts'))).flat()
  t.same(sources.toSorted(), entryPoints.toSorted())
})
