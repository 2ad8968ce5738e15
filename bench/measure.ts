/**
 * One measurement, and many of them in turns.
 *
 * @module
 */
import type { BenchDatabase, Table } from './database.js'
import type { Plan } from './load/users.js'
import { busySeconds, cpuSeconds } from './machine.js'
import type { LoadGenerator, Running } from './processes.js'
import type { BenchRedis } from './redis.js'

/** What a measurement needs. */
export interface Bench {
  database: BenchDatabase
  redis: BenchRedis | undefined
  load: LoadGenerator
  /** Base URL of the stub of Cognito. */
  provider: string
  /** Seconds of the processor's time that it has used. */
  providerCpu (): number
  options: Options
  /** Says on stderr how far the run is. */
  say (line: string): void
}

export interface Options {
  rounds: number
  /** Of one measurement. */
  seconds: number
  /** Before the first measurement of each contestant, for the compiler's sake. */
  warmUp: number
  connections: number
  /** Sessions that are in use. */
  sessions: number
  /** Rows of the large table. */
  rows: number
  /** Workloads; empty: all. */
  only: string[]
  /** Those with one of these in their names, and what they are compared with; empty: all. */
  contestants: string[]
  /** Folder for the contestants' CPU profiles. */
  profiles: string | undefined
}

/** One measurement. Times in milliseconds, costs per request. */
export interface Sample {
  requestsPerSecond: number
  p50: number
  p95: number
  p99: number
  /** Of database and Redis. */
  databaseCpu: number
  contestantCpu: number
  walBytes: number
  /**
   * Cores that were busy. Where the load generator's is near 1, it was the limit; what others of the machine
   * and of its host took says how much the times are worth.
   */
  busy: { contestant: number, database: number, load: number, others: number, host: number }
}

/** A contestant that runs, and how it is loaded. */
export interface Entry {
  name: string
  server: Running
  table?: Table | undefined
  /** Puts it back to where it begins. */
  prepare: () => Promise<Plan>
  close: () => Promise<void>
}

export interface Result {
  rounds: Sample[]
  median: Sample
  statements: number | undefined
}

/** All of `entries` in turns, so that what else happens on the machine hits all alike. */
export async function inTurns (bench: Bench, workload: string, entries: Entry[]): Promise<Record<string, Result>> {
  const { options: { rounds, warmUp } } = bench
  const results: Record<string, Result> = {}
  for (const entry of entries) {
    const statements = await countStatements(bench, entry)
    bench.say(`${workload}: ${entry.name} warms up`)
    await measure(bench, entry, { warmUp: 0, seconds: warmUp })
    results[entry.name] = { rounds: [], median: undefined as never, statements }
  }
  for (let round = 0; round < rounds; round++) {
    // Forth and back: nobody always comes after the same one.
    for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
      bench.say(`${workload}: round ${round + 1} of ${rounds}, ${entry.name}`)
      results[entry.name]?.rounds.push(await measure(bench, entry))
    }
  }
  for (const result of Object.values(results)) result.median = medians(result.rounds)
  return results
}

/** @param beside begins when it counts, and the counting ends with it. */
export async function measure (bench: Bench, entry: Entry, time: { warmUp: number, seconds: number } = { warmUp: 0.5, seconds: bench.options.seconds }, beside?: () => Promise<unknown>): Promise<Sample> {
  const { database, redis, load, options } = bench
  const plan = await entry.prepare()
  const cpu = () => {
    const { all, stolen } = busySeconds()
    const ours = { contestant: entry.server.cpu(), database: database.cpu() + (redis?.cpu() ?? 0), load: load.cpu() }
    const rest = cpuSeconds(process.pid, false) + bench.providerCpu()
    return { ...ours, others: all - ours.contestant - ours.database - ours.load - rest, host: stolen }
  }
  let before = cpu()
  let after = before
  let walBefore = Promise.resolve(0)
  let walAfter = walBefore
  let work: Promise<unknown> | undefined
  const { requests, seconds, p50, p95, p99 } = await load.run({
    port: entry.server.port, connections: options.connections, plan, warmUp: time.warmUp, ...(beside === undefined ? { seconds: time.seconds } : {})
  }, {
    begun (stop) {
      before = cpu()
      walBefore = database.wal()
      work = beside?.().finally(stop)
    },
    ended () {
      after = cpu()
      walAfter = database.wal()
    }
  })
  await work
  const used = (what: keyof typeof before) => after[what] - before[what]
  return {
    requestsPerSecond: requests / seconds,
    p50, p95, p99,
    databaseCpu: used('database') * 1000 / requests,
    contestantCpu: used('contestant') * 1000 / requests,
    walBytes: (await walAfter - await walBefore) / requests,
    busy: {
      contestant: used('contestant') / seconds, database: used('database') / seconds, load: used('load') / seconds,
      others: Math.max(0, used('others')) / seconds, host: used('host') / seconds
    }
  }
}

/** Statements per request, counted and not timed: the counting costs the database something. */
async function countStatements ({ load, options }: Bench, { table, server, prepare }: Entry): Promise<number | undefined> {
  const plan = await prepare()
  if (table === undefined) return undefined
  await table.countStatements(true)
  const { total } = await load.run({ port: server.port, connections: options.connections, plan, warmUp: 0, seconds: Math.min(1, options.seconds) }, { begun () {}, ended () {} })
  const statements = await table.statements()
  await table.countStatements(false)
  return statements / total
}

export const median = (values: number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2
}

function medians (samples: Sample[]): Sample {
  const of = (pick: (sample: Sample) => number) => median(samples.map(pick))
  return {
    requestsPerSecond: of((s) => s.requestsPerSecond),
    p50: of((s) => s.p50),
    p95: of((s) => s.p95),
    p99: of((s) => s.p99),
    databaseCpu: of((s) => s.databaseCpu),
    contestantCpu: of((s) => s.contestantCpu),
    walBytes: of((s) => s.walBytes),
    busy: {
      contestant: of((s) => s.busy.contestant), database: of((s) => s.busy.database), load: of((s) => s.busy.load),
      others: of((s) => s.busy.others), host: of((s) => s.busy.host)
    }
  }
}
