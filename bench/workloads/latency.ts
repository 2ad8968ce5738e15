import { THIS_BUILD } from '../builds.js'
import type { Bench } from '../measure.js'
import { ofBaseline } from '../names.js'
import { runScript } from '../processes.js'
import { percentile } from '../statistics.js'

/** Milliseconds. */
export interface Latency { p50: number, p99: number }

interface Report { taken: Record<string, number[]> }

/** Rounds of the script that take about a second. */
const ROUNDS_PER_SECOND = 4

/** Workload `latency`: sequential calls on one connection. */
export async function latency (bench: Bench): Promise<Record<string, Latency>> {
  const { baseline, options } = bench
  // Each build runs twice, so that a slow change of the machine's speed affects both.
  const builds = baseline === undefined ? [THIS_BUILD] : [THIS_BUILD, baseline, baseline, THIS_BUILD]
  const rounds = Math.ceil(options.rounds * options.seconds * ROUNDS_PER_SECOND / builds.length)
  const times: Record<string, number[]> = {}
  for (const build of builds) {
    bench.say(`latency: ${build.label}`)
    const table = await bench.database.create()
    const env = { DATABASE_URL: table.url, ROUNDS: String(rounds) }
    const { taken } = await runScript<Report>(build, 'latency', env)
    await table.close()
    for (const [name, values] of Object.entries(taken)) {
      const key = name === 'this store' && build === baseline ? ofBaseline(name) : name
      times[key] = [...times[key] ?? [], ...values]
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => {
    const sorted = values.toSorted((a, b) => a - b)
    return [name, { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }]
  }))
}
