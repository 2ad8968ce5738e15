import { planFor, seed, start, type Contestant } from '../contestants.js'
import { measure, type Bench, type Entry, type Sample } from '../measure.js'
import { median } from '../statistics.js'
import { postgresChoices } from './rows.js'

/** Reads without and during pruning. `slowdown` is the ratio of their p95. */
export interface Pruning { without: Sample, during: Sample, slowdown: number }

const MAX_ROUNDS = 3

/** Workload `prune`: reads while a large number of expired sessions are removed. */
export async function prune (bench: Bench): Promise<Record<string, Pruning>> {
  const found: Record<string, Pruning[]> = {}
  const started = await Promise.all(postgresChoices(bench).map((choice) => start(bench, choice)))
  const contestants = started.filter((contestant) => contestant !== undefined)
  try {
    for (let round = 0; round < Math.min(bench.options.rounds, MAX_ROUNDS); round++) {
      for (const contestant of contestants) {
        bench.say(`prune: round ${round + 1}, ${contestant.name}`)
        const pruning = await pruneOnce(bench, contestant, round === 0)
        found[contestant.name] = [...found[contestant.name] ?? [], pruning]
      }
    }
  } finally {
    for (const { close } of contestants) await close()
  }
  return Object.fromEntries(Object.entries(found).map(([name, rounds]) => [name, middle(rounds)]))
}

async function pruneOnce (bench: Bench, contestant: Contestant, isFirst: boolean): Promise<Pruning> {
  const { options } = bench
  const { name, server, table } = contestant
  await seed(contestant, 1)
  await table?.fill(options.rows, true)
  const cookies = await server.order({ do: 'seed', count: options.sessions }) as string[]
  const entry: Entry = { ...contestant, prepare: async () => planFor('read', cookies) }
  if (isFirst) await measure(bench, entry, { warmUp: 0, seconds: options.warmUp })
  const without = await measure(bench, entry)
  const during = await measure(bench, entry, { warmUp: 0.5, seconds: 0 }, () => server.order({ do: 'prune' }))
  const left = await table?.rows() ?? NaN
  if (left !== options.sessions) throw new Error(`${name} left ${left - options.sessions} expired rows`)
  return { without, during, slowdown: during.p95 / without.p95 }
}

/** The round whose slowdown is closest to the median. */
function middle (rounds: Pruning[]): Pruning {
  const slowdown = median(rounds.map((round) => round.slowdown))
  const distance = (round: Pruning) => Math.abs(round.slowdown - slowdown)
  return rounds.toSorted((a, b) => distance(a) - distance(b))[0] as Pruning
}
