import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { database } from '../support/database.js'
import { linkedApplication, sampleOf } from '../support/linked.js'
import { start } from '../support/process.js'
import { rootUrl } from '../support/root.js'
import { typeErrors } from '../support/typed.js'

const page = await readFile(new URL('docs/testing.md', rootUrl), 'utf8')

/** What the samples need of Vitest, on top of node:test. */
const VITEST = `
import assert from 'node:assert/strict'
export { after as afterAll, before as beforeAll, describe, it } from 'node:test'
export const expect = (seen) => ({ toEqual: (wanted) => { assert.deepEqual(seen, wanted) } })
`

/** Runs the sample under a heading as a file of tests. Returns what node:test printed. */
async function outcome (t: Test, heading: string): Promise<string> {
  const folder = await linkedApplication(t, ['fastify'])
  const db = await database(t)
  await mkdir(join(folder, 'node_modules/vitest'))
  await writeFile(join(folder, 'node_modules/vitest/index.js'), VITEST)
  await writeFile(join(folder, 'node_modules/vitest/package.json'), '{"type":"module","exports":"./index.js"}')
  await writeFile(join(folder, 'app.js'), sampleOf(page, 'The application'))
  await writeFile(join(folder, 'sample.test.js'), sampleOf(page, heading))
  const sample = start(t, process.execPath, ['--test', '--test-reporter=tap', 'sample.test.js'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: db.url,
      ...(heading === 'With Vitest' ? vitestEnvironment() : {})
    }
  })
  await sample.ended
  return sample.stdout()
}

/** What vitest.config.js of the page sets. */
function vitestEnvironment (): Record<string, string> {
  const [, config = ''] = /^export default defineConfig\((\{\n[^]*?^\})\)$/m.exec(page) ?? []
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- a sample
  const { test } = new Function(`return ${config}`)() as { test: { env: Record<string, string> } }
  return test.env
}

for (const [heading, passing] of [
  ['With node:test', 4],
  ['With Vitest', 1],
  ['The sign-in itself, with a stand-in for Cognito', 3]
] as const) {
  test(`The sample of docs/testing.md passes: ${heading}`, async (t) => {
    const printed = await outcome(t, heading)
    t.match(printed, new RegExp(`^# pass ${passing}$`, 'm'))
    t.match(printed, /^# fail 0$/m)
  })
}

/** The replacements of the table under TypeScript. */
const changes = [...(page.split('\n## TypeScript\n')[1] ?? '').matchAll(/^\| `(.*)` \| `(.*)` \|$/gm)]

for (const heading of ['With node:test', 'The sign-in itself, with a stand-in for Cognito']) {
  test(`The sample of docs/testing.md compiles in strict TypeScript, changed as it says: ${heading}`, async (t) => {
    const sample = changes.reduce(
      (code, [, from = '', to = '']) => code.replaceAll(from, to), sampleOf(page, heading)
    )
    t.ok(changes.length > 3)
    t.equal(await typeErrors(t, { 'app.ts': sampleOf(page, 'TypeScript', 'ts'), 'sample.test.ts': sample }), '')
  })
}

test('Every change for TypeScript is one of a sample', (t) => {
  const [before = ''] = page.split('\n## TypeScript\n')
  t.same(changes.map(([, from = '']) => from).filter((from) => !before.includes(from)), [])
  t.end()
})
