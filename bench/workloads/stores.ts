import { cachingSignatures, compare, planFor, seed, withBothStores, type Choice } from '../contestants.js'
import type { Bench, Result } from '../measure.js'
import {
  FASTIFY_DURABLE_REDIS, FASTIFY_MEMORY, FASTIFY_PG, FASTIFY_REDIS, REFERENCE, THIS_STORE, THIS_STORE_AT_BEST
} from '../names.js'
import type { Workload } from '../sample.js'

const AT_BEST = { SETTINGS: 'best' }

/** Workloads `read`, `rolling` and `change`: every store. */
export function stores (bench: Bench, workload: Workload): Promise<Record<string, Result>> {
  const choices = [
    ...inExpress(workload),
    ...inFastify(bench, workload),
    ...(workload === 'read' ? withoutSessions(workload) : [])
  ]
  return compare(bench, workload, choices, async (contestant, { store }) =>
    planFor(workload, await seed(contestant, bench.options.sessions), store !== 'none'))
}

/** Signatures are not cached here: express-session takes no signer. */
const inExpress = (workload: Workload): Choice[] => [
  { name: REFERENCE, file: 'express', store: 'connect-pg-simple', workload },
  { name: 'express-session + connect-redis', file: 'express', store: 'connect-redis', workload },
  { name: 'express-session in memory', file: 'express', store: 'memory', workload },
  {
    name: 'express-session + this store, best settings', file: 'express', store: 'this-store', workload, env: AT_BEST
  }
]

/** Equal terms: every store has the same plugin and the same signer, once without and once with cached signatures. */
function inFastify (bench: Bench, workload: Workload): Choice[] {
  const inPlugin = { file: 'fastify', workload }
  const ours: Choice[] = [
    { ...inPlugin, name: THIS_STORE, store: 'this-store' },
    { ...inPlugin, name: THIS_STORE_AT_BEST, store: 'this-store', env: AT_BEST }
  ]
  const others: Choice[] = [
    { ...inPlugin, name: FASTIFY_PG, store: 'connect-pg-simple' },
    { ...inPlugin, name: FASTIFY_REDIS, store: 'connect-redis' },
    { ...inPlugin, name: FASTIFY_DURABLE_REDIS, store: 'connect-redis', isDurable: true },
    { ...inPlugin, name: FASTIFY_MEMORY, store: 'memory' }
  ]
  return [
    ...others,
    ...ours.flatMap((choice) => withBothStores(bench, choice)),
    ...[...others, ...ours].map(cachingSignatures)
  ]
}

const withoutSessions = (workload: Workload): Choice[] => [
  { name: 'Express, no sessions', file: 'express', store: 'none', workload },
  { name: 'Fastify, no sessions', file: 'fastify', store: 'none', workload }
]
