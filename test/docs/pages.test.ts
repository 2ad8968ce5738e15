import { readdir, readFile, stat } from 'node:fs/promises'
import { test } from 'tap'
import { rootUrl as root } from '../support/root.js'

const text = (path: string): Promise<string> => readFile(new URL(path, root), 'utf8')

const pages = ['', 'docs/']
const names = (await Promise.all(pages.map(async (folder) => {
  const found = await readdir(new URL(`./${folder}`, root))
  return found.filter((name) => name.endsWith('.md')).map((name) => folder + name)
}))).flat()

/** The anchors of a page's headings, as GitHub makes them. */
function anchors (markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replaceAll(/[^\w\s-]/g, '').replaceAll(' ', '-'))
}

/** The links of a page to files and headings that do not exist. */
async function brokenLinks (page: string): Promise<string[]> {
  const broken: string[] = []
  const url = new URL(page, root)
  for (const [, link = ''] of (await text(page)).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? url : new URL(path, url)
    const exists = await stat(target).then(() => true, () => false)
    const heading = !exists || anchor === undefined || anchors(await readFile(target, 'utf8')).includes(anchor)
    if (!exists || !heading) broken.push(link)
  }
  return broken
}

for (const page of names) {
  test(`${page}: every link leads to a file or heading that exists`, async (t) => {
    t.same(await brokenLinks(page), [])
  })
}

test('README.md has fewer than 1,000 words, with its code', async (t) => {
  t.ok((await text('README.md')).trim().split(/\s+/).length < 1000)
})

test('The figures in README.md are those of docs/benchmark.md', async (t) => {
  const row = /^\| (.*? \+ .*?) \| [\d.]+ \| [\d.]+ \| [\d.]+ \|$/gm
  const rows = [...(await text('README.md')).matchAll(row)].map(([line]) => line)
  const benchmark = (await text('docs/benchmark.md')).split('\n')
  t.equal(rows.length, 5)
  for (const line of rows) t.ok(benchmark.includes(line), line)
})
