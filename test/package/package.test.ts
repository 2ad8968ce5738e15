/**
 * The package as `npm pack` makes it, installed in an application with public packages of pinned
 * versions ([consumer](consumer/package.json)). Needs the npm registry.
 *
 * @module
 */
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { database } from '../support/database.js'
import { npmPack, run, temporaryFolder } from '../support/npm-pack.js'
import { root } from '../support/root.js'

/** The consumers that are only compiled. */
const TYPED = ['express', 'fastify']

/** The module systems of TypeScript, and the extensions of the files that import the package in each. */
const MODULES = {
  node10: { module: 'commonjs', extensions: ['cts'] },
  node16: { module: 'node16', extensions: ['mts', 'cts'] },
  nodenext: { module: 'nodenext', extensions: ['mts', 'cts'] },
  bundler: { module: 'esnext', extensions: ['mts'] }
}

const COMPILERS = { 'TypeScript 6': 'typescript', 'TypeScript 5': 'typescript-5' }

/** The flags under which types are most often found wrong. */
const STRICT = {
  target: 'es2022', strict: true, exactOptionalPropertyTypes: true, esModuleInterop: true, skipLibCheck: false
}

const application = join(await temporaryFolder(), 'application')
const tarball = await npmPack()
await install()

async function install (): Promise<void> {
  await cp(join(root, 'test/package/consumer'), application, { recursive: true })
  for (const name of TYPED) await cp(join(application, `${name}.mts`), join(application, `${name}.cts`))
  await run('npm', ['ci', '--ignore-scripts'], { cwd: application })
  await run('npm', ['install', '--no-save', '--ignore-scripts', tarball], { cwd: application })
}

/** The path of an installed package's program. */
const program = (path: string): string => join(application, 'node_modules', path)

/** Runs a Node.js program in the application. Rejects with its output if it fails. */
async function node (args: string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await run(process.execPath, args, { cwd: application, env })
  return stdout
}

async function compile (compiler: string, compilerOptions: object, files: string[]): Promise<void> {
  const config = join(application, 'tsconfig.json')
  await writeFile(config, JSON.stringify({ compilerOptions: { ...STRICT, ...compilerOptions }, files }))
  await node([program(`${compiler}/bin/tsc`), '-p', config])
}

for (const [name, compiler] of Object.entries(COMPILERS)) {
  for (const [moduleResolution, { module, extensions }] of Object.entries(MODULES)) {
    test(`The types compile with ${name} and moduleResolution ${moduleResolution}`, async (t) => {
      const ignoreDeprecations = compiler === 'typescript' ? '6.0' : '5.0'
      const files = TYPED.flatMap((typed) => extensions.map((extension) => `${typed}.${extension}`))
      const options = { module, moduleResolution, ignoreDeprecations, noEmit: true }

      await compile(compiler, options, files)
      t.pass()
    })
  }
}

test('Jest requires the store, and its sessions are stored', async (t) => {
  const db = await database(t)

  await node([program('jest/bin/jest.js'), 'store.test.js'], { DATABASE_URL: db.url })

  t.match(await db.query('SELECT sess FROM session'), [{ sess: { views: 2 } }])
})

test('A NestJS application in CommonJS stores sessions', async (t) => {
  const db = await database(t)
  await compile(
    'typescript',
    { module: 'node16', experimentalDecorators: true, emitDecoratorMetadata: true, types: ['node'] },
    ['nest.cts']
  )

  const answers = await node(['nest.cjs'], { DATABASE_URL: db.url })

  t.same(JSON.parse(answers), [{ views: 1 }, { views: 2 }])
  t.match(await db.query('SELECT sess FROM session'), [{ sess: { views: 2 } }])
})

test('import and require give the same names, table and error codes, and two classes', async (t) => {
  const db = await database(t)

  const seen = JSON.parse(await node(['identity.mjs'], { DATABASE_URL: db.url })) as Record<string, unknown>

  const names = [
    'ERR_DATABASE', 'ERR_SESSION_VALUE', 'EventTableError', 'PgSessionStore', 'SessionTableError', 'connectionOptions',
    'copyWith', 'createPool', 'databaseReason', 'poolBounds', 'rememberingSigner', 'retireConnections'
  ]
  t.same(seen, { names: [names, names], views: 1, error: ['ERR_DATABASE', true, true], sameClass: false })
})

test('The types agree with an older @types/pg of the application', async (t) => {
  await run('npm', ['install', '--no-save', '--ignore-scripts', '@types/pg@8.6.0', tarball], { cwd: application })

  await compile('typescript', { module: 'nodenext', noEmit: true }, ['pool.mts', 'express.mts'])
  t.pass()
})
