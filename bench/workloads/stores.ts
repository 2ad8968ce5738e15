import { compare, ofBothBuilds, planFor, seed, type Choice } from '../contestants.js'
import type { Bench, Result } from '../measure.js'
import { THIS_STORE } from '../names.js'
import type { Workload } from '../sample.js'
import type { StoreName } from '../servers/stores.js'

const FRAMEWORKS = [['express', 'express-session'], ['fastify', '@fastify/session']] as const

const STORES: [StoreName, string][] = [
  ['connect-pg-simple', '+ connect-pg-simple'],
  ['connect-redis', '+ connect-redis'],
  ['memory', 'in memory'],
  ['this-store', '+ this store']
]

/** Workloads `read`, `rolling` and `change`: every store in both frameworks. */
export function stores (bench: Bench, workload: Workload): Promise<Record<string, Result>> {
  const withSessions = STORES.flatMap(([store, storeName]) => FRAMEWORKS.flatMap(([file, framework]) => {
    const choice: Choice = { name: `${framework} ${storeName}`, file, store, workload }
    return choice.name === THIS_STORE ? ofBothBuilds(bench, choice) : [choice]
  }))
  const withoutSessions: Choice[] = [
    { name: 'Express, no sessions', file: 'express', store: 'none', workload },
    { name: 'Fastify, no sessions', file: 'fastify', store: 'none', workload }
  ]
  // The upper bound for a store: returns an object from memory, and signatures are remembered as with this store.
  const upperBound: Choice = {
    name: '@fastify/session in memory, cookies remembered',
    file: 'fastify',
    store: 'memory',
    workload,
    env: { SIGNER: 'remembering' }
  }
  const choices = [...withSessions, ...(workload === 'read' ? withoutSessions : []), upperBound]
  return compare(bench, workload, choices, async (contestant, { store }) =>
    planFor(workload, await seed(contestant, bench.options.sessions), store !== 'none'))
}
