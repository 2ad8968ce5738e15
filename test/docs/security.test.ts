import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { brokenLinks, hasTest, missingTests, testsOf } from '../support/documents.js'
import { rootUrl } from '../support/root.js'

const security = await readFile(new URL('docs/security.md', rootUrl), 'utf8')

/** OWASP ASVS 5.0.0: the sections that concern this server, with the number of requirements in each. */
const REQUIREMENTS = Object.entries({
  3.3: 5,
  3.5: 8,
  7.1: 3,
  7.2: 4,
  7.3: 2,
  7.4: 5,
  7.5: 3,
  7.6: 2,
  10.1: 2,
  10.2: 3,
  10.5: 5
}).flatMap(([section, count]) =>
  Array.from({ length: count }, (_, index) => `${section}.${index + 1}`)
)

const ADVISORIES = [
  'CVE-2024-35220',
  'CVE-2023-31999',
  'CVE-2023-29019',
  'CVE-2023-29020',
  'CVE-2023-27495',
  'CVE-2024-31999',
  'CVE-2026-3635',
  'CVE-2026-3419',
  'CVE-2022-25896',
  'CVE-2023-27490',
  'CVE-2023-48309',
  'CVE-2022-31093',
  'CVE-2022-39263',
  'CVE-2025-48947',
  'CVE-2025-64762',
  'CVE-2026-45364',
  'CVE-2026-40575',
  'CVE-2025-64484',
  'CVE-2021-41246',
  'CVE-2022-24794',
  'CVE-2019-15658'
]

/** What stands in place of a test: a reason, in these words. */
const REASON = /Does not apply: \w|To do by the deployer|Not met: \w/

interface Row { name: string, what: string, proof: string, tests: { file: string, name: string }[] }

/** The rows of the tables below the heading `title`. */
function rowsOf (title: string): Row[] {
  const [, part = ''] = security.split(`\n## ${title}\n`)
  return (part.split('\n## ')[0] ?? '').split('\n').filter((line) => /^\| [\dC]/.test(line)).map((line) => {
    const [name = '', what = '', proof = ''] = line.slice(2, -2).split(' | ')
    const tests = [...proof.matchAll(/`([\w/.-]+\.test\.ts) › ([^`]+)`/g)].map(
      ([, file = '', test = '']) => ({ file, name: test })
    )
    return { name, what, proof, tests }
  })
}

const requirements = rowsOf('OWASP ASVS 5.0')
const advisories = rowsOf('Published advisories')

test('Every applicable ASVS requirement has exactly one row', (t) => {
  t.same(requirements.map(({ name }) => name), REQUIREMENTS)
  t.match(security, /OWASP Foundation[^]*CC BY-SA 4\.0/)
  t.end()
})

test('Every advisory has exactly one row', (t) => {
  t.same(advisories.map(({ name }) => name).sort(), ADVISORIES.toSorted())
  t.end()
})

test('Every row has a description and a test or a reason', (t) => {
  for (const { name, what, proof, tests } of [...requirements, ...advisories]) {
    t.ok(what.length > 10, name)
    t.ok(tests.length > 0 || REASON.test(proof), `${name} is proved or explained`)
    // A name of a test that is written otherwise would not be looked for.
    t.equal([...proof.matchAll(/›/g)].length, tests.length, `${name} names its tests as a file and a name`)
  }
  for (const { name, tests } of advisories) t.ok(tests.length > 0, `${name} has a test`)
  t.end()
})

test('Every named test exists', async (t) => {
  const { named, missing } = await missingTests(security)
  t.ok(named > 60)
  t.same(missing, [])
})

test('A missing test is detected', async (t) => {
  const file = await testsOf('routes/api/auth/callback.test.ts')
  t.ok(hasTest(file, 'GET /api/auth/callback without state answers 400 ERR_STATE_MISSING'))
  for (const name of [
    '',
    'no such test',
    'GET /api/auth/callback with nonsense answers 400 ERR_STATE_MISSING',
    'Ten tabs of one browser'
  ]) {
    t.notOk(hasTest(file, name), name)
  }
})

test('The README links to the page', async (t) => {
  t.match(await readFile(new URL('README.md', rootUrl), 'utf8'), /\(docs\/security\.md\)/)
})

test('Every link leads to a file or heading, and broken links are detected', async (t) => {
  t.same(await brokenLinks(security), [])
  const broken = ['no-such-file.md', 'operations.md#no-such-heading']
  t.same(await brokenLinks(broken.map((link) => `[there](${link})`).join()), broken)
})
