/**
 * Targets of this store and this server, as ratios of medians of one run.
 *
 * @module
 */
import { FASTIFY_MEMORY, FASTIFY_PG, FASTIFY_REDIS, OTHER_SERVER, REFERENCE, THIS_SERVER, THIS_STORE } from './names.js'
import type { Disk } from './workloads/disk.js'
import type { Findings } from './workloads/index.js'

export interface Target {
  what: string
  bound: 'at least' | 'at most'
  limit: number
  /** NaN if it was not measured in this run. */
  ratio: number
  outcome: 'met' | 'missed' | 'not measured'
}

export function targets (found: Findings): Target[] {
  return [...throughputTargets(found), ...latencyTargets(found), ...storageTargets(found)]
}

/** Least throughput of this store, relative to other stores. */
const STORE_LIMITS = {
  read: [[4.4, REFERENCE], [2, FASTIFY_PG], [1.05, FASTIFY_MEMORY], [0.95, FASTIFY_REDIS]],
  rolling: [[5.2, REFERENCE], [4, FASTIFY_PG], [1, FASTIFY_MEMORY], [1, FASTIFY_REDIS]],
  change: [[4.4, REFERENCE]]
} as const

const SUBJECTS = { read: 'read', rolling: 'rolling', change: 'change at every request' }

function throughputTargets (found: Findings): Target[] {
  const throughput = (workload: 'read' | 'rolling' | 'change' | 'me' | 'sign-in', ours: string, theirs: string) => {
    const of = (name: string) => found[workload]?.[name]?.median.requestsPerSecond ?? NaN
    return of(ours) / of(theirs)
  }
  const ofStore = (workload: keyof typeof STORE_LIMITS) => STORE_LIMITS[workload].map(([limit, theirs]) => {
    const what = `${SUBJECTS[workload]}: requests per second, to ${theirs}`
    return atLeast(limit, what, throughput(workload, THIS_STORE, theirs))
  })
  return [
    ...ofStore('read'),
    ...ofStore('rolling'),
    atLeast(1.1, `GET /api/auth/me of ${THIS_SERVER}: requests per second, to ${FASTIFY_REDIS}`,
      throughput('me', THIS_SERVER, FASTIFY_REDIS)),
    ...ofStore('change'),
    atLeast(1.5, `sign-in: rounds per second of ${THIS_SERVER}, to ${OTHER_SERVER}`,
      throughput('sign-in', THIS_SERVER, OTHER_SERVER))
  ]
}

function latencyTargets (found: Findings): Target[] {
  const p50 = (name: string) => found.latency?.[name]?.p50 ?? NaN
  const p95 = (name: string) => found.rows?.[name]?.median.p95 ?? NaN
  return [
    atMost(1.25, 'one connection: p50 of get, to pool.query by primary key', p50('this store') / p50('pool.query')),
    atMost(1.2, 'read: p95 in the large table, to the small one', p95(`${THIS_STORE}, large`) / p95(THIS_STORE)),
    atMost(1.5, 'read: p95 during pruning, to that without', found.prune?.[THIS_STORE]?.slowdown ?? NaN)
  ]
}

function storageTargets (found: Findings): Target[] {
  const wal = (name: string) => found.rolling?.[name]?.median.walBytes ?? NaN
  const disk = (what: keyof Disk) => {
    const of = (name: string) => found.disk?.[name]?.[what] ?? NaN
    return of('this store') / of('connect-pg-simple')
  }
  return [
    atMost(1 / 20, `rolling: WAL bytes per request, to ${FASTIFY_PG}`, wal(THIS_STORE) / wal(FASTIFY_PG)),
    atMost(1 / 20, `rolling: WAL bytes per request, to ${REFERENCE}`, wal(THIS_STORE) / wal(REFERENCE)),
    atMost(1.25, 'disk: bytes per new session, to connect-pg-simple', disk('fresh')),
    atMost(0.5, 'disk: bytes per session after a hundred touches each, to connect-pg-simple', disk('afterTouches'))
  ]
}

const atLeast = (limit: number, what: string, ratio: number): Target =>
  ({ what, bound: 'at least', limit, ratio, outcome: outcomeOf(ratio, ratio >= limit) })

const atMost = (limit: number, what: string, ratio: number): Target =>
  ({ what, bound: 'at most', limit, ratio, outcome: outcomeOf(ratio, ratio <= limit) })

function outcomeOf (ratio: number, isMet: boolean): Target['outcome'] {
  if (Number.isNaN(ratio)) return 'not measured'
  return isMet ? 'met' : 'missed'
}
