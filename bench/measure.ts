/**
 * One measurement, and alternating measurements of several contestants.
 *
 * @module
 */
import type { Build } from './builds.js'
import type { BenchDatabase, Table } from './database.js'
import type { Plan } from './load/users.js'
import { busySeconds, cpuSeconds } from './machine.js'
import type { LoadGenerator, Running } from './processes.js'
import type { BenchRedis } from './redis.js'
import { median } from './statistics.js'

/** What a measurement needs. */
export interface Bench {
  database: BenchDatabase
  redis: BenchRedis | undefined
  durableRedis: BenchRedis | undefined
  load: LoadGenerator
  /** The stub of Cognito. */
  provider: Provider
  /** Temporary files of the run. */
  folder: string
  /** The older build to compare with. */
  baseline: Build | undefined
  options: Options
  /** Reports progress on stderr. */
  say (line: string): void
}

export interface Provider {
  /** Base URL. */
  url: string
  /** CPU seconds so far. */
  cpu (): number
}

export interface Options {
  /** Measurements of each contestant. */
  rounds: number
  /** Duration of a measurement. */
  seconds: number
  /** Seconds of load before the first measurement of each contestant, for the JIT compiler. */
  warmUp: number
  /** Starts of each build in the workload `start`. */
  starts: number
  connections: number
  /** Sessions in use. */
  sessions: number
  /** Rows of the large table. */
  rows: number
  /** Contestants with one of these in their names, and the reference. Empty: all. */
  contestants: string[]
  /** Folder for the contestants' CPU profiles. */
  profiles: string | undefined
}

/** One measurement: times in milliseconds, costs per request. */
export interface Sample {
  requestsPerSecond: number
  p50: number
  p95: number
  p99: number
  /** CPU milliseconds of database and Redis. */
  databaseCpu: number
  /** CPU milliseconds. */
  contestantCpu: number
  walBytes: number
  busy: Busy
}

/**
 * Busy cores. If the load generator's is near 1, it limited the throughput. If other processes or the host
 * (steal time) took much, the times mean little.
 */
export interface Busy { contestant: number, database: number, load: number, others: number, host: number }

/** A running contestant and its load. */
export interface Entry {
  name: string
  server: Running
  table?: Table | undefined
  /** Restores the initial state. */
  prepare: () => Promise<Plan>
  close: () => Promise<void>
}

export interface Result {
  rounds: Sample[]
  median: Sample
  /** SQL statements per request. Undefined for contestants without a database. */
  statements: number | undefined
}

/** Measures the entries alternately, so that disturbances by other processes affect all of them. */
export async function measureAlternately (
  bench: Bench, workload: string, entries: Entry[]
): Promise<Record<string, Result>> {
  const { options: { rounds, warmUp } } = bench
  const results = new Map<Entry, Omit<Result, 'median'>>()
  for (const entry of entries) {
    const statements = await countStatements(bench, entry)
    bench.say(`${workload}: ${entry.name} warms up`)
    await measure(bench, entry, { warmUp: 0, seconds: warmUp })
    results.set(entry, { rounds: [], statements })
  }
  for (let round = 0; round < rounds; round++) {
    // The order is reversed in every second round, so that no entry always follows the same one.
    for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
      bench.say(`${workload}: round ${round + 1} of ${rounds}, ${entry.name}`)
      results.get(entry)?.rounds.push(await measure(bench, entry))
    }
  }
  return Object.fromEntries(Array.from(results, ([{ name }, { rounds, statements }]) =>
    [name, { rounds, median: medians(rounds), statements }]))
}

/** In seconds. */
interface Time { warmUp: number, seconds: number }

/** @param beside starts when counting begins. Counting ends when it is done, instead of after `time.seconds`. */
export async function measure (
  bench: Bench,
  entry: Entry,
  time: Time = { warmUp: 0.5, seconds: bench.options.seconds },
  beside?: () => Promise<unknown>
): Promise<Sample> {
  const { database, load, options } = bench
  const plan = await entry.prepare()
  let before = usedCpu(bench, entry)
  let after = before
  let walBefore = Promise.resolve(0)
  let walAfter = walBefore
  let work: Promise<unknown> | undefined
  const { requests, seconds, p50, p95, p99 } = await load.run({
    port: entry.server.port,
    connections: options.connections,
    plan,
    warmUp: time.warmUp,
    ...(beside === undefined ? { seconds: time.seconds } : {})
  }, {
    begun (stop) {
      before = usedCpu(bench, entry)
      walBefore = database.wal()
      work = beside?.().finally(stop)
    },
    ended () {
      after = usedCpu(bench, entry)
      walAfter = database.wal()
    }
  })
  await work
  const used = (what: keyof Busy) => after[what] - before[what]
  return {
    requestsPerSecond: requests / seconds,
    p50,
    p95,
    p99,
    databaseCpu: used('database') * 1000 / requests,
    contestantCpu: used('contestant') * 1000 / requests,
    walBytes: (await walAfter - await walBefore) / requests,
    busy: {
      contestant: used('contestant') / seconds,
      database: used('database') / seconds,
      load: used('load') / seconds,
      others: Math.max(0, used('others')) / seconds,
      host: used('host') / seconds
    }
  }
}

/** CPU seconds so far. */
function usedCpu ({ database, redis, durableRedis, load, provider }: Bench, { server }: Entry): Busy {
  const { all, stolen } = busySeconds()
  const contestant = server.cpu()
  const storage = database.cpu() + (redis?.cpu() ?? 0) + (durableRedis?.cpu() ?? 0)
  const generator = load.cpu()
  const own = cpuSeconds(process.pid, false) + provider.cpu()
  return {
    contestant,
    database: storage,
    load: generator,
    others: all - contestant - storage - generator - own,
    host: stolen
  }
}

/** Statements per request. They are counted in a run of their own, because counting slows the database down. */
async function countStatements ({ load, options }: Bench, entry: Entry): Promise<number | undefined> {
  const { table, server, prepare } = entry
  const plan = await prepare()
  if (table === undefined) return undefined
  await table.countStatements(true)
  const { connections, seconds } = options
  const time = { warmUp: 0, seconds: Math.min(1, seconds) }
  const { total } = await load.run({ port: server.port, connections, plan, ...time }, { begun () {}, ended () {} })
  const statements = await table.statements()
  await table.countStatements(false)
  return statements / total
}

function medians (samples: Sample[]): Sample {
  const of = (pick: (sample: Sample) => number) => median(samples.map(pick))
  return {
    requestsPerSecond: of((sample) => sample.requestsPerSecond),
    p50: of((sample) => sample.p50),
    p95: of((sample) => sample.p95),
    p99: of((sample) => sample.p99),
    databaseCpu: of((sample) => sample.databaseCpu),
    contestantCpu: of((sample) => sample.contestantCpu),
    walBytes: of((sample) => sample.walBytes),
    busy: {
      contestant: of((sample) => sample.busy.contestant),
      database: of((sample) => sample.busy.database),
      load: of((sample) => sample.busy.load),
      others: of((sample) => sample.busy.others),
      host: of((sample) => sample.busy.host)
    }
  }
}
