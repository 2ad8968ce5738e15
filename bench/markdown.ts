/**
 * The results as the README shows them.
 *
 * @module
 */
import { comparisons, number, ratio } from './report.js'
import type { Findings, Target } from './targets.js'

/** What stands between these in README.md is written by `npm run bench -- --readme`. */
const BEGIN = '<!-- npm run bench: begin -->'
const END = '<!-- npm run bench: end -->'

/** Two tables: requests per second of everybody as ratios, and what was wanted beside what was found. */
export function markdown (found: Findings, targets: Target[], footnote: string): string {
  const workloads = comparisons(found).filter(({ workload }) => ['read', 'rolling', 'change'].includes(workload))
  const names = [...new Set(workloads.flatMap(({ results }) => Object.keys(results)))]
  const cells = names.map((name) => [name, ...workloads.map((comparison) => name in comparison.results ? number(ratio(comparison, name, (sample) => sample.requestsPerSecond)) : '')])
  const measured = targets.filter(({ met }) => met !== undefined)
  return [
    'Requests per second, as ratios to the first line:', '',
    table(['', ...workloads.map(({ title }) => title.toLowerCase())], cells), '',
    'What we want, and what this run found:', '',
    table(['', 'wanted', 'found', ''], measured.map(({ what, bound, limit, ratio, met }) => [what, `${bound} ${number(limit)}`, number(ratio), met === true ? 'met' : '**missed**'])), '',
    footnote
  ].join('\n')
}

/** `readme` with `text` where the results stand. */
export function replaced (readme: string, text: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`README.md has no ${BEGIN} and ${END}`)
  return `${readme.slice(0, begin)}${BEGIN}\n\n${text}\n\n${readme.slice(end)}`
}

const table = (head: string[], rows: string[][]): string =>
  [head, head.map((_, column) => column === 0 ? '---' : '--:'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
