/**
 * What this store and this server have to reach: ratios of medians of one run.
 *
 * @module
 */
import type { Result } from './measure.js'
import { BASELINE, OLD_STACK, REDIS, THIS_SERVER, THIS_STORE, type Disk, type Pruning } from './workloads.js'

export interface Findings {
  'read'?: Record<string, Result>
  'rolling'?: Record<string, Result>
  'change'?: Record<string, Result>
  'me'?: Record<string, Result>
  'sign-in'?: Record<string, Result>
  'rows'?: Record<string, Result>
  'latency'?: Record<string, { p50: number, p99: number }>
  'prune'?: Record<string, Pruning>
  'disk'?: Record<string, Disk>
}

export interface Target {
  what: string
  bound: 'at least' | 'at most'
  limit: number
  /** NaN: not measured in this run. */
  ratio: number
  met: boolean | undefined
}

const FASTIFY_PG = '@fastify/session + connect-pg-simple'
/** The harder of the two that keep sessions in memory. */
const MEMORY = '@fastify/session in memory'

export function targets (found: Findings): Target[] {
  const throughput = (workload: 'read' | 'rolling' | 'change' | 'me' | 'sign-in', ours: string, theirs: string) =>
    (found[workload]?.[ours]?.median.requestsPerSecond ?? NaN) / (found[workload]?.[theirs]?.median.requestsPerSecond ?? NaN)
  const least = (limit: number, what: string, ratio: number) => target(what, 'at least', limit, ratio)
  const most = (limit: number, what: string, ratio: number) => target(what, 'at most', limit, ratio)
  const p95 = (name: string) => found.rows?.[name]?.median.p95 ?? NaN
  const wal = (name: string) => found.rolling?.[name]?.median.walBytes ?? NaN
  const disk = (name: string, what: keyof Disk) => found.disk?.[name]?.[what] ?? NaN
  const p50 = (name: string) => found.latency?.[name]?.p50 ?? NaN

  return [
    ...(['read', 'rolling'] as const).flatMap((workload) => {
      const limits = workload === 'read' ? [4.4, 2, 1.05, 0.95] as const : [5.2, 4, 1, 1] as const
      return [BASELINE, FASTIFY_PG, MEMORY, REDIS].map((theirs, index) =>
        least(limits[index] ?? NaN, `${workload}: requests a second, to ${theirs}`, throughput(workload, THIS_STORE, theirs)))
    }),
    least(1.1, `GET /api/auth/me of ${THIS_SERVER}: requests a second, to ${REDIS}`, throughput('me', THIS_SERVER, REDIS)),
    least(4.4, `change at every request: requests a second, to ${BASELINE}`, throughput('change', THIS_STORE, BASELINE)),
    least(1.5, `sign-in: rounds a second of ${THIS_SERVER}, to ${OLD_STACK}`, throughput('sign-in', THIS_SERVER, OLD_STACK)),
    most(1.25, 'one connection: p50 of get, to pool.query by primary key', p50('this store') / p50('pool.query')),
    most(1.2, 'read: p95 in the large table, to that in the small one', p95(`${THIS_STORE}, large`) / p95(THIS_STORE)),
    most(1.5, 'read: p95 while pruning, to that without', found.prune?.[THIS_STORE]?.slowdown ?? NaN),
    most(1 / 20, `rolling: WAL bytes per request, to ${FASTIFY_PG}`, wal(THIS_STORE) / wal(FASTIFY_PG)),
    most(1 / 20, `rolling: WAL bytes per request, to ${BASELINE}`, wal(THIS_STORE) / wal(BASELINE)),
    most(1.25, 'disk: bytes per fresh session, to connect-pg-simple', disk('this store', 'fresh') / disk('connect-pg-simple', 'fresh')),
    most(0.5, 'disk: bytes per session after a hundred touches each, to connect-pg-simple', disk('this store', 'afterTouches') / disk('connect-pg-simple', 'afterTouches'))
  ]
}

const target = (what: string, bound: Target['bound'], limit: number, ratio: number): Target =>
  ({ what, bound, limit, ratio, met: Number.isNaN(ratio) ? undefined : bound === 'at least' ? ratio >= limit : ratio <= limit })
