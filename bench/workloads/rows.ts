import { planFor, seed, start, withBothStores, type Choice, type Contestant } from '../contestants.js'
import type { Plan } from '../load/users.js'
import { measureAlternately, type Bench, type Entry, type Result } from '../measure.js'
import { FASTIFY_PG, THIS_STORE_AT_BEST } from '../names.js'
import { bodyOf } from '../sample.js'

/** More sessions in use than a process caches. */
const MANY = 50_000

/** A prime number, to spread the sessions in use over the table. */
const STRIDE = 7919

/** The stores on PostgreSQL in Fastify. */
export const postgresChoices = (bench: Bench): Choice[] => [
  { name: FASTIFY_PG, file: 'fastify', store: 'connect-pg-simple', workload: 'read' },
  ...withBothStores(bench, {
    name: THIS_STORE_AT_BEST, file: 'fastify', store: 'this-store', workload: 'read', env: { SETTINGS: 'best' }
  })
]

/** Workload `rows`: reads from a small table, and from a large one with few and with many sessions in use. */
export async function rows (bench: Bench): Promise<Record<string, Result>> {
  const entries: Entry[] = []
  try {
    for (const choice of postgresChoices(bench)) {
      const small = await start(bench, choice)
      if (small !== undefined) {
        entries.push({ ...small, prepare: async () => planFor('read', await seed(small, bench.options.sessions)) })
      }
      const large = await start(bench, { ...choice, name: `${choice.name}, large` })
      if (large === undefined) continue
      entries.push({ ...large, prepare: () => planForLarge(bench, large, bench.options.sessions) })
      entries.push({
        ...large,
        name: `${large.name}, ${MANY} in use`,
        prepare: () => planForLarge(bench, large, MANY),
        close: async () => {} // the entry before closes the server
      })
      bench.say(`rows: ${large.name} gets ${bench.options.rows} rows`)
      await seed(large, 1)
      await large.table?.fill(bench.options.rows, false)
    }
    return await measureAlternately(bench, 'rows', entries)
  } finally {
    for (const { close } of entries) await close()
  }
}

async function planForLarge ({ options }: Bench, { server }: Contestant, count: number): Promise<Plan> {
  const inUse = Math.min(count, options.rows)
  const numbers = Array.from({ length: inUse }, (_, index) => 1 + (index * STRIDE) % options.rows)
  const cookies = await server.order({ do: 'cookies', numbers }) as string[]
  const expected = cookies.map(() => JSON.stringify(bodyOf(0)))
  return { kind: 'get', path: '/', cookies, expected, setsCookie: false }
}
