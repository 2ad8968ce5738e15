/**
 * The results in docs/benchmark.md.
 *
 * @module
 */
import { readFile, writeFile } from 'node:fs/promises'
import { comparisons, ratio } from './comparisons.js'
import { markdownTable, number } from './format.js'
import { isBaseline } from './names.js'
import type { Target } from './targets.js'
import { UsageError } from './usage-error.js'
import type { Findings } from './workloads/index.js'

const PAGE = 'docs/benchmark.md'

/** The text between these lines of the page is replaced. */
const BEGIN = '<!-- npm run bench: begin -->'
const END = '<!-- npm run bench: end -->'

const WORKLOADS = ['read', 'rolling', 'change']

/** Text of the page before and after the results. */
interface Page { before: string, after: string }

/** @throws {UsageError} if the page does not exist or has no markers. */
export async function openPage (): Promise<Page> {
  const text = await readFile(PAGE, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new UsageError(`--docs needs ${PAGE}, which does not exist`)
    throw error
  })
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new UsageError(`--docs needs the lines ${BEGIN} and ${END} in ${PAGE}`)
  return { before: text.slice(0, begin), after: text.slice(end) }
}

export async function writePage ({ before, after }: Page, results: string): Promise<void> {
  await writeFile(PAGE, `${before}${BEGIN}\n\n${results}\n\n${after}`)
}

/** Two tables: throughput of all contestants as ratios, and targets with results. */
export function markdown (found: Findings, targets: Target[], footnote: string): string {
  const measured = targets.filter(({ outcome }) => outcome !== 'not measured')
  return [
    'Requests per second, as ratios to the first line:',
    throughputTable(found),
    'Targets, and the results of this run:',
    markdownTable(['', 'target', 'result', ''], measured.map(({ what, bound, limit, ratio, outcome }) =>
      [what, `${bound} ${number(limit)}`, number(ratio), outcome === 'met' ? 'met' : '**missed**'])),
    footnote
  ].join('\n\n')
}

function throughputTable (found: Findings): string {
  const compared = comparisons(found).filter(({ workload }) => WORKLOADS.includes(workload))
  const names = new Set(compared.flatMap(({ results }) => Object.keys(results)))
  const rows = [...names].filter((name) => !isBaseline(name)).map((name) => [
    name,
    ...compared.map((comparison) => {
      if (!(name in comparison.results)) return ''
      return number(ratio(comparison, name, (sample) => sample.requestsPerSecond))
    })
  ])
  return markdownTable(['', ...compared.map(({ title }) => title.toLowerCase())], rows)
}
