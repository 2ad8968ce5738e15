/**
 * Targets of this store and this server, as ratios of medians of one run.
 *
 * @module
 */
import {
  FASTIFY_DURABLE_REDIS, FASTIFY_MEMORY, FASTIFY_PG, FASTIFY_REDIS, ME_OF_THIS_SERVER, ofBaseline, OTHER_MIDDLEWARE,
  OTHER_SERVER, REFERENCE, SERVER_WITH_DEVICES, SERVER_WITH_METRICS, THIS_SERVER, THIS_STORE, THIS_STORE_AT_BEST,
  withCachedSignatures
} from './names.js'
import type { Disk } from './workloads/disk.js'
import type { Heap } from './workloads/heap.js'
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
  return [
    ...equalTargets(found),
    ...replacementTargets(found),
    ...serverTargets(found),
    ...optionTargets(found),
    ...baselineTargets(found),
    ...latencyTargets(found),
    ...storageTargets(found)
  ]
}

type StoreWorkload = 'read' | 'rolling' | 'change'

type ServerWorkload = 'me' | 'verify' | 'sign-in' | 'me-options' | 'sign-in-options'

const SUBJECTS = { read: 'read', rolling: 'rolling', change: 'change at every request' }

/** Least throughput on equal terms: the same plugin, no cached signatures, this store at its best settings. */
const EQUAL_LIMITS = {
  read: [[1, FASTIFY_REDIS], [2, FASTIFY_PG], [1.05, FASTIFY_MEMORY]],
  rolling: [[1.25, FASTIFY_REDIS], [4, FASTIFY_PG], [1, FASTIFY_MEMORY]],
  change: [[0.75, FASTIFY_REDIS], [1, FASTIFY_DURABLE_REDIS]]
} as const

/** The same with nothing but defaults. */
const DEFAULT_LIMITS = { read: [[0.95, FASTIFY_REDIS]], rolling: [], change: [] } as const

/** Least throughput for those who replace both plugin and store, and cache signatures. */
const REPLACEMENT_LIMITS = { read: 4.4, rolling: 5.2, change: 4.4 } as const

/** Least throughput, relative to the same store of the baseline. */
const BASELINE_LIMITS = { read: 1.25, change: 1.4 } as const

function throughput (
  found: Findings, workload: StoreWorkload | ServerWorkload, ours: string, theirs: string
): number {
  const of = (name: string) => found[workload]?.[name]?.median.requestsPerSecond ?? NaN
  return of(ours) / of(theirs)
}

const STORE_WORKLOADS = ['read', 'rolling', 'change'] as const

function equalTargets (found: Findings): Target[] {
  return STORE_WORKLOADS.flatMap((workload) => {
    const subject = `${SUBJECTS[workload]}, equal terms`
    return [
      ...EQUAL_LIMITS[workload].map(([limit, theirs]) =>
        atLeast(limit, `${subject}: requests per second, to ${theirs}`,
          throughput(found, workload, THIS_STORE_AT_BEST, theirs))),
      ...DEFAULT_LIMITS[workload].map(([limit, theirs]) =>
        atLeast(limit, `${subject}, nothing but defaults: requests per second, to ${theirs}`,
          throughput(found, workload, THIS_STORE, theirs)))
    ]
  })
}

function replacementTargets (found: Findings): Target[] {
  const ours = withCachedSignatures(THIS_STORE_AT_BEST)
  return STORE_WORKLOADS.map((workload) =>
    atLeast(REPLACEMENT_LIMITS[workload],
      `${SUBJECTS[workload]}, signatures cached: requests per second, to ${REFERENCE}`,
      throughput(found, workload, ours, REFERENCE)))
}

const serverTargets = (found: Findings): Target[] => [
  atLeast(1.1, `GET /api/auth/me of ${THIS_SERVER}: requests per second, to ${FASTIFY_REDIS}`,
    throughput(found, 'me', THIS_SERVER, FASTIFY_REDIS)),
  atLeast(3, `GET /api/auth/verify of ${THIS_SERVER}: requests per second, to a guarded route of ${OTHER_MIDDLEWARE}`,
    throughput(found, 'verify', THIS_SERVER, OTHER_MIDDLEWARE)),
  atLeast(1.5, `sign-in: rounds per second of ${THIS_SERVER}, to ${OTHER_SERVER}`,
    throughput(found, 'sign-in', THIS_SERVER, OTHER_SERVER))
]

/** Relative to the same build without the option. */
const OPTION_LIMITS = [
  [SERVER_WITH_METRICS, 0.97, 0.9],
  [SERVER_WITH_DEVICES, 0.97, 0.95]
] as const

const optionTargets = (found: Findings): Target[] => OPTION_LIMITS.flatMap(([name, me, signIn]) => [
  atLeast(me, `GET /api/auth/me of ${name}: requests per second, to ${THIS_SERVER}`,
    throughput(found, 'me-options', name, THIS_SERVER)),
  atLeast(signIn, `sign-in: rounds per second of ${name}, to ${THIS_SERVER}`,
    throughput(found, 'sign-in-options', name, THIS_SERVER))
])

function baselineTargets (found: Findings): Target[] {
  const theirs = ofBaseline(THIS_STORE_AT_BEST)
  const heap = (what: keyof Heap) =>
    (found.heap?.['this store']?.[what] ?? NaN) / (found.heap?.[ofBaseline('this store')]?.[what] ?? NaN)
  const npm = (what: 'median' | 'idleMiB') =>
    (found['npm-start']?.[THIS_SERVER]?.[what] ?? NaN) / (found['npm-start']?.[ofBaseline(THIS_SERVER)]?.[what] ?? NaN)
  return [
    atLeast(2, 'GET /api/auth/verify: requests per second, to GET /api/auth/me of the baseline',
      throughput(found, 'verify', THIS_SERVER, ofBaseline(ME_OF_THIS_SERVER))),
    atLeast(1, 'sign-in: rounds per second, to the baseline',
      throughput(found, 'sign-in', THIS_SERVER, ofBaseline(THIS_SERVER))),
    atMost(0.5, 'npm start to the first user who is signed in: ms, to the baseline', npm('median')),
    atMost(0.8, 'idle after npm start: MiB resident, to the baseline', npm('idleMiB')),
    atLeast(BASELINE_LIMITS.read, 'read: requests per second, to the baseline',
      throughput(found, 'read', THIS_STORE_AT_BEST, theirs)),
    atLeast(BASELINE_LIMITS.change, 'change at every request: requests per second, to the baseline',
      throughput(found, 'change', THIS_STORE_AT_BEST, theirs)),
    atMost(1, 'heap: bytes per waiting get, to the baseline', heap('get')),
    atMost(1, 'heap: bytes per waiting set, to the baseline', heap('set'))
  ]
}

function latencyTargets (found: Findings): Target[] {
  const p50 = (name: string) => found.latency?.[name]?.p50 ?? NaN
  const p95 = (name: string) => found.rows?.[name]?.median.p95 ?? NaN
  return [
    atMost(1.25, 'one connection: p50 of get, to pool.query by primary key', p50('this store') / p50('pool.query')),
    atMost(1.2, 'read: p95 in the large table, to the small one',
      p95(`${THIS_STORE_AT_BEST}, large`) / p95(THIS_STORE_AT_BEST)),
    atMost(1.5, 'read: p95 during pruning, to that without', found.prune?.[THIS_STORE_AT_BEST]?.slowdown ?? NaN)
  ]
}

function storageTargets (found: Findings): Target[] {
  const wal = (name: string) => found.rolling?.[name]?.median.walBytes ?? NaN
  const disk = (what: keyof Disk) => {
    const of = (name: string) => found.disk?.[name]?.[what] ?? NaN
    return of('this store') / of('connect-pg-simple')
  }
  return [
    atMost(1 / 20, `rolling: WAL bytes per request, to ${FASTIFY_PG}`, wal(THIS_STORE_AT_BEST) / wal(FASTIFY_PG)),
    atMost(1 / 20, `rolling: WAL bytes per request, to ${REFERENCE}`, wal(THIS_STORE_AT_BEST) / wal(REFERENCE)),
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
