/**
 * Builds every entry of the package. npm runs this for `npm pack` and `npm publish`, in a checkout after `npm install`,
 * and in its own clone when the package is installed from a git address.
 *
 * `npm install --omit=dev` in a checkout has no compiler, and leaves `dist/` as it is. A clone without `node_modules`
 * installs the development dependencies before it is packed.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { npm_command: command = '', npm_execpath: npm = '' } = process.env
const isPacking = ['pack', 'publish'].includes(command)

/** Whether `npm run build` can run. */
function hasCompiler () {
  try {
    require.resolve('typescript/package.json')
    return true
  } catch {
    return false
  }
}

/**
 * Runs npm with its output on stderr: the stdout of `npm pack` is the name of the file.
 *
 * @param {string[]} args
 */
function run (...args) {
  const { status } = spawnSync(process.execPath, [npm, ...args], {
    // Otherwise npm would take the options of the outer command for its own.
    env: { ...process.env, npm_config_dry_run: 'false', npm_config_json: 'false', npm_config_ignore_scripts: 'false' },
    stdio: ['ignore', 2, 2]
  })
  if (status !== 0) process.exit(status ?? 1)
}

if (isPacking && !hasCompiler()) run('ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund')
if (hasCompiler()) {
  // A package has no copies of its dependencies.
  run('run', 'build', '--silent', '--', ...(isPacking ? ['--modules'] : []))
  run('run', 'build:commonjs', '--silent')
  run('run', 'build:client', '--silent')
} else {
  process.stderr.write('dist/ is not built: the development dependencies are not installed\n')
}
