import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { brokenLinks, missingTests } from '../support/documents.js'
import { rootUrl } from '../support/root.js'

const architecture = await readFile(new URL('docs/architecture.md', rootUrl), 'utf8')

test('Every promise names tests that exist', async (t) => {
  const [, promises = ''] = architecture.split('\n## Promises and what keeps them\n')
  const rows = (promises.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| ')).slice(2)
  t.ok(rows.length > 10)
  for (const row of rows) t.match(row, /` \|$/, row)
  const { named, missing } = await missingTests(architecture)
  t.ok(named >= rows.length)
  t.same(missing, [])
})

test('Every link of the page leads to a file or heading that exists', async (t) => {
  t.same(await brokenLinks(architecture), [])
})

test('The table lists every plugin and its dependencies', async (t) => {
  const app = await readFile(new URL('index.ts', rootUrl), 'utf8')
  const [, part = ''] = architecture.split('\n## How the application is put together\n')
  const table = Object.fromEntries(
    [...part.matchAll(/^\| `([\w-]+)` \| [^|]+ \| ([^|]*)\|$/gm)].map(
      ([, plugin = '', on = '']) => [plugin, on.trim()]
    )
  )
  const plugins = [...app.matchAll(/from '\.\/plugins\/([\w-]+)\.js'/g)].map(([, plugin = '']) => plugin)
  const found = await Promise.all(plugins.map(async (plugin) => {
    const source = await readFile(new URL(`plugins/${plugin}.ts`, rootUrl), 'utf8')
    const list = /dependencies: \[([^\]]*)\]/.exec(source)?.[1] ?? ''
    return [plugin, [...list.matchAll(/'([^']+)'/g)].map(([, name]) => name).join(', ')]
  }))
  t.same(table, Object.fromEntries(found))
})

test('The README links to the page', async (t) => {
  t.match(await readFile(new URL('README.md', rootUrl), 'utf8'), /\(docs\/architecture\.md\)/)
})
