/**
 * `npm run build`: compiles the server into `dist/`, and bundles it. With `--if-changed` only if a source has changed
 * since, and it says so: compiling takes a while, and `npm start` would be silent meanwhile. With `--modules` without
 * the bundle, as for the package.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

const require = createRequire(import.meta.url)

/** `local` and `testing` are not in the image of the server. */
const FOLDERS = ['src', 'plugins', 'routes', 'local', 'testing']
const OTHER_INPUTS = ['index.ts', 'tsconfig.json', 'tsconfig.build.json', 'package.json', 'package-lock.json']
/** Loaded only where they are needed, some of them optional. */
const NOT_BUNDLED = ['undici', 'prom-client', '@opentelemetry/*', '@fastify/otel', '@aws-sdk/*', 'pg-native']
const STAMP = 'dist/.sources'

const sources = hashOfSources()
if (!process.argv.includes('--if-changed')) build()
else if (stamp() !== sources) {
  process.stderr.write('Compiling the server: it was not compiled yet, or its sources have changed …\n')
  build()
}

function build () {
  rmSync('dist', { recursive: true, force: true })
  const { status } = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    stdio: 'inherit'
  })
  if (status !== 0) process.exit(status ?? 1)
  if (!process.argv.includes('--modules')) bundle()
  writeFileSync(STAMP, process.argv.includes('--modules') ? '' : sources)
}

/**
 * The process as few files, with its dependencies: it starts in two thirds of the time, because Node.js resolves
 * and reads a tenth of the files. `dist/src/server.js` runs it.
 */
function bundle () {
  buildSync({
    entryPoints: ['dist/src/serve.js'],
    outdir: 'dist/bundle',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Names stay, for the stacks in the log. Not by `keepNames`, which names each closure when it is made, at every
    // request.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    external: NOT_BUNDLED,
    // For CommonJS modules in an ECMAScript module.
    banner: {
      js: [
        'import { createRequire as createRequireOfBundle } from \'node:module\'',
        'import { dirname as dirnameOfBundle } from \'node:path\'',
        'import { fileURLToPath as pathOfBundle } from \'node:url\'',
        'const require = createRequireOfBundle(import.meta.url)',
        'const __filename = pathOfBundle(import.meta.url)',
        'const __dirname = dirnameOfBundle(__filename)'
      ].join('\n')
    },
    logLevel: 'warning'
  })
}

/** What `dist/` was compiled from; undefined without a complete build. */
function stamp () {
  try {
    return readFileSync(STAMP, 'utf8')
  } catch {
    return undefined
  }
}

function hashOfSources () {
  const hash = createHash('sha256')
  const given = [...OTHER_INPUTS, ...FOLDERS].filter((path) => existsSync(path))
  for (const file of given.flatMap((path) => FOLDERS.includes(path) ? filesOf(path) : [path])) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
  }
  return hash.digest('hex')
}

/** @param {string} folder */
function filesOf (folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
}
