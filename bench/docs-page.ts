/**
 * The results in docs/benchmark.md and README.md.
 *
 * @module
 */
import { readFile, writeFile } from 'node:fs/promises'
import type { Figure } from './baseline-report.js'
import { comparisons, ratio } from './comparisons.js'
import { markdownTable, number, wrapped } from './format.js'
import {
  FASTIFY_DURABLE_REDIS, FASTIFY_MEMORY, FASTIFY_PG, FASTIFY_REDIS, REFERENCE, THIS_STORE, THIS_STORE_AT_BEST,
  isBaseline, withCachedSignatures
} from './names.js'
import type { Target } from './targets.js'
import { UsageError } from './usage-error.js'
import type { Findings } from './workloads/index.js'

/** The pages, and the results that each of them shows. */
const PAGES = [['docs/benchmark.md', allResults], ['README.md', summary]] as const

/** The text between these lines of a page is replaced. */
const BEGIN = '<!--bench:begin-->'
const END = '<!--bench:end-->'

/** The columns of the tables, by workload. */
const COLUMNS: Record<string, string> = { read: 'read', rolling: 'read, rolling expiry', change: 'change' }

/** The stores that are compared on equal terms. README.md leaves out the one in memory, which no one deploys. */
const IN_README = [FASTIFY_REDIS, FASTIFY_DURABLE_REDIS, FASTIFY_PG, THIS_STORE, THIS_STORE_AT_BEST]
const IN_README_VERSIONS =
  ['node', 'PostgreSQL', 'Redis', 'fastify', '@fastify/session', 'connect-pg-simple', 'connect-redis']
const ON_EQUAL_TERMS = [...IN_README, FASTIFY_MEMORY]

/** The contestants that show what replacing express-session changes. */
const REPLACED = [
  REFERENCE,
  'express-session + connect-redis',
  'express-session in memory',
  'Express, no sessions',
  'express-session + this store, best settings',
  FASTIFY_PG,
  withCachedSignatures(THIS_STORE_AT_BEST),
  'Fastify, no sessions'
]

/** What the pages show. */
export interface Results {
  found: Findings
  targets: Target[]
  /** Of this build and the baseline. Empty without a baseline. */
  figures: Figure[]
  /** How and where it was measured. */
  footnote: string
  /** Of everything that was compared, by name. */
  versions: Record<string, string>
}

interface Page {
  path: string
  /** Text before and after the results. */
  before: string
  after: string
  render: (results: Results) => string
}

/** @throws {UsageError} if a page does not exist or has no markers. */
export const openPages = (): Promise<Page[]> => Promise.all(PAGES.map(async ([path, render]) => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new UsageError(`--docs needs ${path}, which does not exist`)
    throw error
  })
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new UsageError(`--docs needs the lines ${BEGIN} and ${END} in ${path}`)
  return { path, before: text.slice(0, begin), after: text.slice(end), render }
}))

export async function writePages (pages: Page[], results: Results): Promise<void> {
  for (const { path, before, after, render } of pages) {
    await writeFile(path, `${before}${BEGIN}\n\n${render(results)}\n\n${after}`)
  }
}

/** Ratios on equal terms, as in docs/benchmark.md, and what is not equal. */
function summary ({ found, targets, versions }: Results): string {
  const measured = targets.filter(({ outcome }) => outcome !== 'not measured')
  const met = measured.filter(({ outcome }) => outcome === 'met')
  return [
    'Requests per second, as ratios, with the same Fastify plugin and signer:',
    throughputTable(found, IN_README),
    wrapped('Not equal: without `appendfsync always`, Redis loses acknowledged changes in a crash. ' +
      `The run met ${met.length} of ${measured.length} targets: [docs/benchmark.md](docs/benchmark.md). ` +
      `${IN_README_VERSIONS.map((name) => `${name} ${versions[name] ?? ''}`).join(', ')}.`)
  ].join('\n\n')
}

function allResults ({ found, targets, figures, footnote }: Results): string {
  const measured = targets.filter(({ outcome }) => outcome !== 'not measured')
  return [
    'On equal terms: requests per second, as ratios to the first line:',
    throughputTable(found, ON_EQUAL_TERMS),
    'On equal terms, with cached signatures:',
    throughputTable(found, ON_EQUAL_TERMS.map(withCachedSignatures)),
    'What replacing express-session and its store changes:',
    throughputTable(found, REPLACED),
    ...serverTable(found, 'sign-in', 'Sign-ins'),
    ...serverTable(found, 'verify', '`GET /api/auth/verify`'),
    'Targets, and the results of this run:',
    markdownTable(['', 'target', 'result', ''], measured.map(({ what, bound, limit, ratio, outcome }) =>
      [what, `${bound} ${number(limit)}`, number(ratio), outcome === 'met' ? 'met' : '**missed**'])),
    ...(figures.length === 0 ? [] : ['This build, as ratios to the baseline:', baselineTable(figures)]),
    wrapped(footnote)
  ].join('\n\n')
}

/** Ratios to the first of `names`. Contestants that were not measured are left out. */
function throughputTable (found: Findings, names: string[]): string {
  const [reference = ''] = names
  const compared = comparisons(found)
    .filter(({ workload }) => workload in COLUMNS)
    .map((comparison) => ({ ...comparison, reference }))
  const measured = names.filter((name) => compared.some(({ results }) => name in results))
  const rows = measured.map((name) => [
    name,
    ...compared.map((comparison) => {
      if (!(name in comparison.results)) return ''
      return number(ratio(comparison, name, (sample) => sample.requestsPerSecond))
    })
  ])
  return markdownTable(['', ...compared.map(({ workload }) => COLUMNS[workload] ?? '')], rows)
}

function serverTable (found: Findings, subject: 'sign-in' | 'verify', title: string): string[] {
  const compared = comparisons(found).filter(({ workload }) => workload === subject)
  const rows = compared.flatMap((comparison) => Object.keys(comparison.results)
    .filter((name) => !isBaseline(name))
    .map((name) => [name, number(ratio(comparison, name, (sample) => sample.requestsPerSecond))]))
  return rows.length === 0 ? [] : [`${title}, as ratios to the first line:`, markdownTable(['', subject], rows)]
}

const baselineTable = (figures: Figure[]): string =>
  markdownTable(['', 'ratio', 'ratio of CPU per request or start'], figures.map(({ what, ratio, cpuRatio }) =>
    [what, number(ratio), cpuRatio === undefined ? '' : number(cpuRatio)]))
