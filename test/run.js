/**
 * Compiles the code and its tests into dist-test/, and runs tap there.
 *
 *     node test/run.js [--unit] [--grouped] [option of tap]... [test/log.test.ts]...
 *
 * Without files it runs all tests except test/{e2e,operations,package,proxies,runbook}, those of a group in one
 * process. `--unit` leaves out the tests that need PostgreSQL. `--grouped` lets the files that are named share
 * processes, too.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const outdir = join(root, 'dist-test')

/** @type {import('esbuild').BuildOptions} */
const common = {
  absWorkingDir: root,
  outbase: '.',
  outdir,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  write: false,
  logLevel: 'warning'
}

/**
 * Test files that share a process, because starting one and warming up the server takes longer than most tests. The
 * rest have their own: those that run tests in parallel, and those that measure or stop things of the process.
 *
 * @type {[name: string, members: RegExp][]}
 */
const GROUPS = [
  ['plugins', /^dist-test\/test\/([^/]*|(plugins|testing)\/.*)\.test\.js$/],
  ['routes', /^dist-test\/test\/routes\/.*\.test\.js$/],
  ['rules', /^dist-test\/test\/(properties|src(?!\/(sessions|tracing)))\/.*\.test\.js$/],
  ['sessions', /^dist-test\/test\/src\/sessions\/(?!outage|prune|memoize|connection)[^/]*\.test\.js$/],
  ['documents', /^dist-test\/test\/(deploy|docs)\/.*\.test\.js$/]
]

/** Writes one JavaScript file per source. Returns their paths from the root. */
async function compile () {
  const { outputFiles } = await build({
    ...common,
    entryPoints: [
      'index.ts',
      ...['src', 'plugins', 'routes', 'local', 'testing', 'test'].map((folder) => `${folder}/**/*.ts`)
    ],
    sourcemap: true,
    sourcesContent: false
  })
  const paths = new Set(outputFiles.map(({ path }) => path))
  for (const path of filesBelow(outdir)) {
    if (!paths.has(path) && !path.endsWith('.group.js')) rmSync(path)
  }
  // Unchanged files are not written, because another run may be reading them.
  for (const { path, contents } of outputFiles) {
    if (!contains(path, contents)) write(path, contents)
  }
  return [...paths].map((path) => relative(root, path).split(sep).join('/'))
}

/** @param {string} folder */
function filesBelow (folder) {
  mkdirSync(folder, { recursive: true })
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/**
 * @param {string} path
 * @param {Uint8Array} contents
 */
function contains (path, contents) {
  try {
    return readFileSync(path).equals(contents)
  } catch {
    return false
  }
}

/**
 * @param {string} path
 * @param {Uint8Array} contents
 */
function write (path, contents) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, contents)
}

/**
 * The tests whose imports do not reach local/postgres.
 *
 * @param {string[]} tests
 */
async function withoutDatabase (tests) {
  const entryPoints = tests.map((path) => path.replace('dist-test/', '').replace(/\.js$/, '.ts'))
  const { metafile: { outputs } } = await build({
    ...common, entryPoints, bundle: true, packages: 'external', metafile: true
  })
  return tests.filter((path) => {
    const inputs = Object.keys(outputs[path]?.inputs ?? {})
    return !inputs.some((input) => input.startsWith('local/postgres/'))
  })
}

/**
 * Replaces the tests of each group by a file that imports them.
 *
 * @param {string[]} tests
 */
function grouped (tests) {
  const rest = new Set(tests)
  const groups = GROUPS.flatMap(([name, members]) => {
    const files = tests.filter((path) => members.test(path))
    for (const file of files) rest.delete(file)
    return files.length === 0 ? [] : [writeGroup(name, files)]
  })
  return [...groups, ...rest]
}

/**
 * The comments tell which file the tests after them are from.
 *
 * @param {string} name
 * @param {string[]} files
 */
function writeGroup (name, files) {
  const path = `dist-test/test/${name}.group.js`
  const lines = files.flatMap((file) => [
    `t.comment('${file.replace('dist-test/', '').replace(/js$/, 'ts')}')`,
    `await import('./${file.replace('dist-test/test/', '')}')`,
    `if (t.jobs !== 1) throw new Error('${file} runs tests in parallel: it needs a process of its own')`
  ])
  // Otherwise tap could end after the tests so far, while a later file still awaits something at its top: the tests of
  // that file would be lost, and the run would pass.
  const contents = Buffer.from([
    'import { t } from \'tap\'',
    'let loaded',
    'const loading = new Promise((resolve) => { loaded = resolve })',
    'void t.test(\'The files of this group are loaded\', () => loading)',
    ...lines,
    'loaded()',
    ''
  ].join('\n'))
  if (!contains(join(root, path), contents)) write(join(root, path), contents)
  return path
}

const compiled = await compile()
const given = process.argv.slice(2)
const args = given.filter((arg) => !['--unit', '--grouped'].includes(arg)).map((arg) => {
  const isTest = /^(\.\/)?test\/.*\.test\.ts$/.test(arg)
  return isTest ? `dist-test/${arg.replace(/^\.\//, '').replace(/ts$/, 'js')}` : arg
})
const named = args.filter((arg) => arg.startsWith('dist-test/'))
const missing = named.filter((path) => !compiled.includes(path))
if (missing.length > 0) {
  process.stderr.write(`There is no ${missing.join(', ').replaceAll('dist-test/', '').replaceAll(/js\b/g, 'ts')}\n`)
  process.exit(1)
}
if (named.length > 0 && given.includes('--grouped')) {
  args.splice(0, args.length, ...args.filter((arg) => !named.includes(arg)), ...grouped(named))
}
if (named.length === 0) {
  const withoutThese = /^dist-test\/test\/(?!(e2e|operations|package|proxies|runbook)\/).*\.test\.js$/
  const tests = compiled.filter((path) => withoutThese.test(path))
  args.push(...given.includes('--unit') ? [writeGroup('unit', await withoutDatabase(tests))] : grouped(tests))
}
const { status } = spawnSync(process.execPath, [
  join(root, 'node_modules/tap/dist/esm/run.mjs'),
  `--node-arg=--require=${join(root, 'test/javascript-only.cjs')}`,
  ...args
], { cwd: root, stdio: 'inherit' })
process.exitCode = status ?? 1
