/**
 * Prepares a release, and publishes it with `--publish` only:
 *
 *     npm run release                # checks, builds and packs; changes nothing elsewhere
 *     npm run release -- --publish   # the same, then `npm publish` of the packed file
 *
 * `artifacts/` then holds the package, and its bill of materials (CycloneDX).
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ofProduction, problems } from './release-checks.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const wantsPublish = process.argv.includes('--publish')
const unknown = process.argv.slice(2).find((argument) => argument !== '--publish')
if (unknown !== undefined) fail([`There is no option ${unknown}`])

/** @param {string[]} lines */
function fail (lines) {
  process.stderr.write(`${lines.join('\n')}\n`)
  process.exit(1)
}

/**
 * Runs a program and returns its output; ends this process if it fails.
 *
 * @param {string} program
 * @param {string[]} args
 */
function output (program, ...args) {
  const { status, stdout } = spawnSync(program, args, {
    cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, stdio: ['ignore', 'pipe', 'inherit']
  })
  if (status !== 0) fail([`${program} ${args.join(' ')} failed`])
  return stdout
}

/** @param {string} path */
const text = (path) => readFileSync(`${root}/${path}`, 'utf8')

const { version } = /** @type {{ version: string }} */ (JSON.parse(text('package.json')))
const task = /** @type {{ containerDefinitions: [{ image: string }] }} */ (
  JSON.parse(text('deploy/ecs/task-definition.json'))
)
const found = problems({
  version,
  status: output('git', 'status', '--porcelain').trim(),
  tags: output('git', 'tag', '--list').split('\n'),
  changelog: text('CHANGELOG.md'),
  image: task.containerDefinitions[0].image
})
if (found.length > 0) fail(found)

output('npm', 'run', 'lint')
output('npm', 'run', 'test:unit')

mkdirSync(`${root}/artifacts`, { recursive: true })
const tarball = output('npm', 'pack', '--silent', '--pack-destination', 'artifacts').trim()
const bom = /** @type {import('./release-checks.js').Bom} */ (
  JSON.parse(output('npm', 'sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'))
)
const materials = tarball.replace(/\.tgz$/, '.cdx.json')
writeFileSync(`${root}/artifacts/${materials}`, `${JSON.stringify(ofProduction(bom), null, 2)}\n`)

process.stdout.write(`artifacts/${tarball}\nartifacts/${materials}\n`)
if (wantsPublish) {
  output('npm', 'publish', `artifacts/${tarball}`)
  process.stdout.write(`published ${version}\n`)
} else {
  process.stdout.write('Nothing is published: that takes --publish\n')
}
