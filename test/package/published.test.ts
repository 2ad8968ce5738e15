/**
 * What `npm pack` puts into the file that is published.
 *
 * @module
 */
import { readdir, readFile, stat, symlink } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { test } from 'tap'
import ts from 'typescript'
import { entriesOf, manifestOf, npmPack, run, unpack } from '../support/npm-pack.js'
import { root } from '../support/root.js'

const tarball = await npmPack()
const folder = await unpack(tarball)
const manifest = await manifestOf(folder)
const files = await filesBelow(folder)
const entries = entriesOf(manifest)

async function filesBelow (path: string): Promise<string[]> {
  const found = await readdir(path, { recursive: true, withFileTypes: true })
  return found.filter((entry) => entry.isFile()).map((entry) => relative(path, join(entry.parentPath, entry.name)))
}

/** The modules that a file names: imports, exports, `import()`, `require` and type references. */
async function importsOf (file: string): Promise<string[]> {
  const { importedFiles, typeReferenceDirectives } = ts.preProcessFile(
    await readFile(join(folder, file), 'utf8'), true, true
  )
  return [...importedFiles, ...typeReferenceDirectives].map(({ fileName }) => fileName)
}

const exists = (path: string): Promise<boolean> => stat(path).then((found) => found.isFile(), () => false)

/** Whether users have the module that a published file names. */
async function isInstalled (name: string, file: string): Promise<boolean> {
  if (name.startsWith('.')) {
    const path = join(folder, dirname(file), name)
    return exists(file.endsWith('.d.ts') ? path.replace(/\.js$/, '.d.ts') : path)
  }
  if (builtinModules.includes(name.replace(/^node:/, ''))) return true
  const [scope = '', own = ''] = name.split('/')
  const wanted = scope.startsWith('@') ? `${scope}/${own}` : scope
  return [manifest.dependencies, manifest.peerDependencies].some((installed) => Object.hasOwn(installed, wanted))
}

test('No published file imports what users do not have', async (t) => {
  const missing: string[] = []
  let seen = 0
  for (const file of files.filter((name) => /^dist\/.*\.js$|\.d\.ts$/.test(name))) {
    for (const name of await importsOf(file)) {
      seen++
      if (!await isInstalled(name, file)) missing.push(`${file}: ${name}`)
    }
  }
  t.ok(seen > 500, `${seen} imports`)
  t.same(missing, [])
})

test('Every published script has a source map that holds its sources', async (t) => {
  const scripts = files.filter((name) => /^dist\/.*\.js$/.test(name))
  t.ok(scripts.length > 100)
  const wrong: string[] = []
  for (const script of scripts) {
    const map = await readFile(join(folder, `${script}.map`), 'utf8').catch(() => '{}')
    const { sourcesContent = [] } = JSON.parse(map) as { sourcesContent?: (string | null)[] }
    if (!sourcesContent.some((source) => (source ?? '').length > 0)) wrong.push(script)
  }
  t.same(wrong, [])
})

test('The package holds the documents that its pages link to, and no tests', async (t) => {
  const pages = [
    'README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'docs/testing.md', 'docs/store.md', '.env.example',
    'bench/results.svg'
  ]
  for (const name of pages) {
    t.ok(files.includes(name), name)
  }
  const others = files.filter((name) => !name.startsWith('docs/') && !pages.includes(name))
  t.same(others.filter((name) => /(^|\/)(test|bench|local\/postgres)\//.test(name)), [])
  const sources = files.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  t.same(sources, ['examples/react-hook/use-session.ts'], 'which is a file to copy')
})

/** Pages of the package that name what is in the repository alone, and what it is. */
const IN_THE_REPOSITORY: [page: string, target: RegExp][] = [
  ['README.md', /^(CONTRIBUTING\.md|Dockerfile|docker-compose\.yml)$/],
  ['docs/architecture.md', /^(CONTRIBUTING\.md|index\.ts|(src|plugins|local\/cognito)\/.*\.ts)$/],
  ['docs/architecture.md', /^test\/(docs\/architecture\.test|src\/sessions\/history\/checker)\.ts$/],
  ['docs/metrics.md', /^src\/metrics\/series\.ts$/],
  ['docs/migrating.md', /^test\/docs\/(migrating|readme)\.test\.ts$/],
  ['docs/plugin.md', /^(src\/app|test\/docs\/plugin\.test)\.ts$/],
  ['docs/security.md', /^test\/docs\/security\.test\.ts$/],
  ['docs/store.md', /^test\/docs\/store\.test\.ts$/],
  ['docs/testing.md', /^test\/(docs|e2e)\/testing\.test\.ts$/]
]

/** The files and folders that a page links to, from the root of the package. */
async function linksOf (page: string): Promise<string[]> {
  const text = (await readFile(join(folder, page), 'utf8')).replaceAll(/^```.*?^```/gms, '')
  const links = text.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)|\b(?:href|src)="([^"]+)"/gm)
  return [...links].map(([, inline, reference, html]) => inline ?? reference ?? html ?? '')
    .filter((link) => !/^([a-z]+:|#)/.test(link))
    .map((link) => join(dirname(page), link.split('#')[0] ?? ''))
}

test('Every link of a published page leads to a published file, or to a named one of the repository', async (t) => {
  const published = (target: string) => stat(join(folder, target)).then(() => true, () => false)
  const [dangling, unused]: [string[], Set<object>] = [[], new Set(IN_THE_REPOSITORY)]
  let seen = 0
  for (const page of files.filter((name) => name.endsWith('.md'))) {
    for (const target of await linksOf(page)) {
      seen++
      if (await published(target)) continue
      const allowed = IN_THE_REPOSITORY.find(([of, named]) => of === page && named.test(target))
      if (allowed === undefined) dangling.push(`${page}: ${target}`)
      else unused.delete(allowed)
    }
  }
  t.ok(seen > 200, `${seen} links`)
  t.same(dangling, [])
  t.same([...unused], [], 'nothing on the list is without need')
})

test('Every entry has a file and types', async (t) => {
  const targets = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : Object.values(value as object).flatMap(targets)
  for (const { path } of entries) {
    const found = targets(manifest.exports[path])
    t.ok(found.some((target) => target.endsWith('.d.ts')), `${path} has types`)
    for (const target of found) t.ok(files.includes(target.slice(2)), `${path}: ${target}`)
  }
})

test('publint finds nothing to say', async (t) => {
  const { messages, pkg = {} } = await publint({ pkgDir: folder, level: 'suggestion', strict: true, pack: false })
  t.same(messages.map((message) => formatMessage(message, pkg, { color: false })), [])
})

// Node.js 20.19 and 22.12 are the first to require an ES module; attw does not know of it.
for (const { name, path, isDual } of entries) {
  test(`attw finds no problem in the types of ${name}`, async (t) => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js')
    const profile = isDual ? [] : ['--profile', 'esm-only']
    const args = [attw, tarball, '--no-color', '--entrypoints', path, ...profile]
    const { stdout } = await run(process.execPath, args, { cwd: folder })
    const problems = stdout.split('\n').filter((line) => /[💀❌⚠🚭🐛👺🎭❗]/u.test(line) && !line.includes('ignored'))
    t.same(problems, [])
    t.match(stdout, /node16 \(from ESM\).*🟢/)
  })
}

test('The programs of the package run', async (t) => {
  t.same(Object.keys(manifest.bin), ['cashsouk-auth', 'cashsouk-auth-server'])
  for (const program of Object.values(manifest.bin)) {
    t.ok(files.includes(program))
    t.match(await readFile(join(folder, program), 'utf8'), /^#!\/usr\/bin\/env node\n/)
  }
  const program = manifest.bin['cashsouk-auth'] ?? ''
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))

  const { stdout } = await run(process.execPath, [join(folder, program), '--version'], { cwd: folder })

  t.equal(stdout, `${manifest.version}\n`)
})
