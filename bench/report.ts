/**
 * The printed tables. They show ratios, because absolute numbers depend mostly on the machine.
 *
 * @module
 */
import { comparisons, ratio, spread, throughputs, type Comparison } from './comparisons.js'
import { number, range, textTable } from './format.js'
import type { Sample } from './measure.js'
import type { Target } from './targets.js'
import type { Disk } from './workloads/disk.js'
import type { Heap } from './workloads/heap.js'
import type { Findings } from './workloads/index.js'
import type { Latency } from './workloads/latency.js'
import type { NpmStarts } from './workloads/npm-start.js'
import type { Pruning } from './workloads/prune.js'
import type { Starts } from './workloads/start.js'

export function report (found: Findings, targets: Target[]): string {
  const parts = comparisons(found).map(comparisonTable)
  if (found.start !== undefined) parts.push(startTable(found.start))
  if (found['npm-start'] !== undefined) parts.push(npmStartTable(found['npm-start']))
  if (found.hashes !== undefined) parts.push(hashesTable(found.hashes))
  if (found.heap !== undefined) parts.push(heapTable(found.heap))
  if (found.latency !== undefined) parts.push(latencyTable(found.latency))
  if (found.prune !== undefined) parts.push(pruneTable(found.prune))
  if (found.disk !== undefined) parts.push(diskTable(found.disk))
  if (targets.some(({ outcome }) => outcome !== 'not measured')) parts.push(targetTable(targets))
  return parts.join('\n\n')
}

const COMPARISON_HEAD = [
  '', 'requests/s ×', 'rounds', 'p50 ×', 'p99 ×', 'CPU ×', 'database CPU ×', 'statements', 'WAL bytes',
  'busy: server', 'database', 'load', 'others'
]

function comparisonTable (comparison: Comparison): string {
  const { title, reference, results } = comparison
  const rows = Object.entries(results).map(([name, result]) => {
    const { median: { busy, walBytes }, statements } = result
    const times = (pick: (sample: Sample) => number) => number(ratio(comparison, name, pick))
    return [
      name,
      times((sample) => sample.requestsPerSecond),
      range(spread(throughputs(result), throughputs(results[reference]))),
      times((sample) => sample.p50),
      times((sample) => sample.p99),
      times((sample) => sample.contestantCpu),
      times((sample) => sample.databaseCpu),
      statements === undefined ? '' : number(statements),
      walBytes.toFixed(0),
      number(busy.contestant),
      number(busy.database),
      number(busy.load),
      number(busy.others + busy.host)
    ]
  })
  return `${title} (1 = ${reference})\n\n${textTable(COMPARISON_HEAD, rows)}`
}

function startTable (start: Record<string, Starts>): string {
  const rows = Object.entries(start).map(([name, { median, cpu }]) => [name, number(median), number(cpu)])
  return `Start to ready, in production\n\n${textTable(['', 'ms', 'CPU ms'], rows)}`
}

function npmStartTable (starts: Record<string, NpmStarts>): string {
  const rows = Object.entries(starts).map(([name, { median, idleMiB }]) => [name, number(median), number(idleMiB)])
  return `npm start to the first user who is signed in\n\n${textTable(['', 'ms', 'MiB when idle'], rows)}`
}

function hashesTable (hashes: Record<string, number>): string {
  const rows = Object.entries(hashes).map(([name, count]) => [name, number(count)])
  return `Hashes per GET /api/auth/me\n\n${textTable(['', 'calls of createHash'], rows)}`
}

function heapTable (heap: Record<string, Heap>): string {
  const rows = Object.entries(heap).map(([name, { get, set }]) => [name, get.toFixed(0), set.toFixed(0)])
  return `Heap of 10,000 waiting calls\n\n${textTable(['', 'bytes per get', 'bytes per set'], rows)}`
}

function latencyTable (latency: Record<string, Latency>): string {
  const lower = latency['pool.query']
  const rows = Object.entries(latency).map(([name, { p50, p99 }]) =>
    [name, number(p50 / (lower?.p50 ?? NaN)), number(p99 / (lower?.p99 ?? NaN))])
  return 'Sequential calls of get on one connection (1 = pool.query by primary key)\n\n' +
    textTable(['', 'p50 ×', 'p99 ×'], rows)
}

function pruneTable (prune: Record<string, Pruning>): string {
  const rows = Object.entries(prune).map(([name, { slowdown, without, during }]) =>
    [name, number(slowdown), number(during.requestsPerSecond / without.requestsPerSecond)])
  return 'Read while expired sessions are pruned (1 = without pruning)\n\n' +
    textTable(['', 'p95 ×', 'requests/s ×'], rows)
}

function diskTable (disk: Record<string, Disk>): string {
  const rows = Object.entries(disk).map(([name, { fresh, afterTouches, walPerTouch }]) =>
    [name, ...[fresh, afterTouches, walPerTouch].map((bytes) => bytes.toFixed(0))])
  return `Disk space\n\n${textTable(['', 'bytes per new session', 'after the touches', 'WAL bytes per touch'], rows)}`
}

const OUTCOMES = { 'met': 'met', 'missed': 'MISSED', 'not measured': 'not measured' }

function targetTable (targets: Target[]): string {
  const rows = targets.map(({ what, bound, limit, ratio, outcome }) =>
    [what, `${bound} ${number(limit)}`, number(ratio), OUTCOMES[outcome]])
  return `Targets\n\n${textTable(['', 'target', 'result', ''], rows)}`
}
