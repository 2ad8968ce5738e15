/**
 * The tables that are printed. They show ratios: a number of requests a second says more about the machine.
 *
 * @module
 */
import type { Result, Sample } from './measure.js'
import type { Findings, Target } from './targets.js'
import { BASELINE, OLD_STACK, REDIS } from './workloads.js'

const TITLES = {
  'read': 'Read a session', 'rolling': 'Read a session, expiry rolling', 'change': 'Change the session at every request',
  'me': 'GET /api/auth/me', 'sign-in': 'Sign in: login and callback', 'rows': 'Read a session, small and large table'
} as const

/** What counts as 1 in each workload. */
const BASELINES: Record<keyof typeof TITLES, string> = {
  'read': BASELINE, 'rolling': BASELINE, 'change': BASELINE, 'me': REDIS, 'sign-in': OLD_STACK, 'rows': '@fastify/session + connect-pg-simple'
}

export interface Comparison { workload: keyof typeof TITLES, title: string, baseline: string, results: Record<string, Result> }

export function comparisons (found: Findings): Comparison[] {
  return (Object.keys(TITLES) as (keyof typeof TITLES)[]).flatMap((workload) => {
    const results = found[workload]
    return results === undefined ? [] : [{ workload, title: TITLES[workload], baseline: BASELINES[workload], results }]
  })
}

/** Of medians. */
export const ratio = ({ results, baseline }: Comparison, name: string, pick: (sample: Sample) => number): number =>
  pick(results[name]?.median as Sample) / pick(results[baseline]?.median ?? {} as Sample)

/** The least and the greatest of the rounds' own ratios of throughput. */
export function spread ({ results, baseline }: Comparison, name: string): [number, number] {
  const ratios = (results[name]?.rounds ?? []).map(({ requestsPerSecond }, round) => requestsPerSecond / (results[baseline]?.rounds[round]?.requestsPerSecond ?? NaN))
  return [Math.min(...ratios), Math.max(...ratios)]
}

export function report (found: Findings, met: Target[]): string {
  const parts = comparisons(found).map((comparison) => {
    const { title, baseline, results } = comparison
    const lines = Object.entries(results).map(([name, { statements, median }]) => {
      const times = (pick: (sample: Sample) => number) => number(ratio(comparison, name, pick))
      const [least, greatest] = spread(comparison, name)
      return [
        name, times((s) => s.requestsPerSecond), `${number(least)}–${number(greatest)}`, times((s) => s.p50), times((s) => s.p99), times((s) => s.contestantCpu), times((s) => s.databaseCpu),
        statements === undefined ? '' : number(statements), Math.round(median.walBytes).toString(), number(median.busy.contestant), number(median.busy.database), number(median.busy.load), number(median.busy.others + median.busy.host)
      ]
    })
    return `${title} (1 = ${baseline})\n\n` +
      table(['', 'requests/s ×', 'rounds', 'p50 ×', 'p99 ×', 'CPU ×', 'database CPU ×', 'statements', 'WAL bytes', 'busy: server', 'database', 'load', 'others'], lines)
  })
  if (found.latency !== undefined) {
    const { p50 = NaN, p99 = NaN } = found.latency['pool.query'] ?? {}
    parts.push('One get at a time, one connection (1 = pool.query by primary key)\n\n' +
      table(['', 'p50 ×', 'p99 ×'], Object.entries(found.latency).map(([name, at]) => [name, number(at.p50 / p50), number(at.p99 / p99)])))
  }
  if (found.prune !== undefined) {
    parts.push('Read while expired sessions are pruned (1 = the same without)\n\n' + table(['', 'p95 ×', 'requests/s ×'],
      Object.entries(found.prune).map(([name, { slowdown, without, during }]) => [name, number(slowdown), number(during.requestsPerSecond / without.requestsPerSecond)])))
  }
  if (found.disk !== undefined) {
    parts.push('On disk\n\n' + table(['', 'bytes per fresh session', 'after the touches', 'WAL bytes per touch'],
      Object.entries(found.disk).map(([name, of]) => [name, of.fresh.toFixed(0), of.afterTouches.toFixed(0), of.walPerTouch.toFixed(0)])))
  }
  parts.push('Targets\n\n' + table(['', 'wanted', 'found', ''], met.map(({ what, bound, limit, ratio, met }) =>
    [what, `${bound} ${number(limit)}`, Number.isNaN(ratio) ? '' : number(ratio), met === undefined ? 'not measured' : met ? 'met' : 'MISSED'])))
  return parts.join('\n\n')
}

/** With as many digits as can mean something. */
export const number = (value: number): string =>
  Number.isNaN(value) ? '–' : value === 0 ? '0' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) : value.toFixed(4)

function table (head: string[], lines: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => (line[column] ?? '').length)))
  const row = (cells: string[]) => cells.map((cell, column) => column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)).join('  ').trimEnd()
  return [row(head), widths.map((width) => '-'.repeat(width)).join('  '), ...lines.map(row)].join('\n')
}
