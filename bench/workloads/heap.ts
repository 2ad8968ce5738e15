import { storeModule, THIS_BUILD, type Build } from '../builds.js'
import type { Bench } from '../measure.js'
import { ofBaseline } from '../names.js'
import { runScript } from '../processes.js'
import type { HeapReport } from '../servers/heap.js'
import { median } from '../statistics.js'

/** Bytes of heap per waiting call. */
export type Heap = HeapReport

const NAME = 'this store'
const MAX_ROUNDS = 3

/** Workload `heap`: what a process holds while 10,000 calls of the store wait for a stalled database. */
export async function heap (bench: Bench): Promise<Record<string, Heap>> {
  const { baseline, options } = bench
  const builds: [string, Build][] = [[NAME, THIS_BUILD]]
  if (baseline !== undefined) builds.push([ofBaseline(NAME), baseline])
  const found: Record<string, Heap> = {}
  for (const [name, build] of builds) {
    const reports: HeapReport[] = []
    for (let round = 0; round < Math.min(options.rounds, MAX_ROUNDS); round++) {
      bench.say(`heap: round ${round + 1}, ${name}`)
      reports.push(await heapOf(bench, build))
    }
    found[name] = { get: median(reports.map(({ get }) => get)), set: median(reports.map(({ set }) => set)) }
  }
  return found
}

async function heapOf ({ database }: Bench, build: Build): Promise<HeapReport> {
  const table = await database.create()
  try {
    const env = { DATABASE_URL: table.url, STORE_MODULE: storeModule(build) }
    return await runScript<HeapReport>(THIS_BUILD, 'heap', env)
  } finally {
    await table.close()
  }
}
