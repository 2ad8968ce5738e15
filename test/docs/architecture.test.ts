import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { missingTests } from '../support/named-tests.js'

const root = new URL('../../', import.meta.url)
const architecture = await readFile(new URL('docs/architecture.md', root), 'utf8')

test('Every promise names tests that exist', async (t) => {
  const [, promises = ''] = architecture.split('\n## Promises and what keeps them\n')
  const rows = (promises.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| ')).slice(2)
  t.ok(rows.length > 10)
  for (const row of rows) t.match(row, /` \|$/, row)
  const { named, missing } = await missingTests(architecture)
  t.ok(named >= rows.length)
  t.same(missing, [])
})

test('Files and headings that the page leads to are there', async (t) => {
  for (const [, link = ''] of architecture.matchAll(/\]\((?!https:)([^)]+)\)/g)) {
    const [path = '', heading] = link.split('#')
    const text = await readFile(new URL(path, new URL('docs/', root)), 'utf8')
    if (heading !== undefined) t.match(text.toLowerCase(), new RegExp(`^#+ ${heading.replaceAll('-', ' ')}$`, 'm'), link)
  }
})

test('Every plugin of the application has its place in the table', async (t) => {
  const app = await readFile(new URL('src/app.ts', root), 'utf8')
  const [, table = ''] = architecture.split('\n## How the application is put together\n')
  for (const [, plugin = ''] of app.matchAll(/from '\.\.\/plugins\/([\w-]+)\.js'/g)) t.match(table, new RegExp(`^\\| .*\`${plugin}\`.* \\|`, 'm'), plugin)
})

test('The README leads to the page', async (t) => {
  t.match(await readFile(new URL('README.md', root), 'utf8'), /\(docs\/architecture\.md\)/)
})
