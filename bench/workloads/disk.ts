import { seed, start, withBothStores, type Choice, type Contestant } from '../contestants.js'
import type { Bench } from '../measure.js'

/** Bytes per session, and WAL bytes per touch. */
export interface Disk { fresh: number, afterTouches: number, walPerTouch: number }

/** Workload `disk`: space that sessions take, when they are new and after a hundred touches each. */
export async function disk (bench: Bench): Promise<Record<string, Disk>> {
  const found: Record<string, Disk> = {}
  const thisStore: Choice = { name: 'this store', file: 'express', store: 'this-store', env: { HASH_IDS: 'true' } }
  const choices: Choice[] = [
    { name: 'connect-pg-simple', file: 'express', store: 'connect-pg-simple' },
    ...withBothStores(bench, thisStore),
    {
      ...thisStore,
      name: 'this store, every touch written',
      env: { HASH_IDS: 'true', TOUCH_INTERVAL: '0.000001' }
    }
  ]
  for (const choice of choices) {
    bench.say(`disk: ${choice.name}`)
    const contestant = await start(bench, choice)
    if (contestant === undefined) continue
    found[choice.name] = await sizes(bench, contestant)
    await contestant.close()
  }
  return found
}

async function sizes (bench: Bench, contestant: Contestant): Promise<Disk> {
  const { name, server, table } = contestant
  if (table === undefined) throw new Error(`${name} has no table`)
  const { sessions, rows } = bench.options
  const touches = rows / 10
  await seed(contestant, 1) // creates the table
  await seed(contestant, sessions)
  const fresh = await table.size()
  const walBefore = await bench.database.wal()
  await server.order({ do: 'touch', count: touches, sessions })
  const walAfter = await bench.database.wal()
  const afterTouches = await table.size()
  if (await table.rows() !== sessions) throw new Error(`${name} has lost rows`)
  return {
    fresh: fresh / sessions,
    afterTouches: afterTouches / sessions,
    walPerTouch: (walAfter - walBefore) / touches
  }
}
