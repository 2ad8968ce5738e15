/**
 * `npm run chaos:soak`: people for half an hour, and what the instances hold meanwhile. Memory, descriptors and
 * connections must be flat: the last third of the time is compared with the second one.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startCluster, type Cluster } from './cluster.js'
import { startPeople } from './people.js'
import { endTogether } from './processes.js'

const SAMPLE_MS = 10_000
const PEOPLE = 40
/** By how much a median may grow from the second third to the last. */
const MAX_GROWTH = 1.1

const FIGURES = [['rss', 'MB an instance'], ['descriptors', 'an instance'], ['connections', 'in all']] as const

interface Sample { rss: number, descriptors: number, connections: number }

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } })
endTogether()
const cluster = await startCluster()
try {
  const people = startPeople(cluster.url, PEOPLE)
  const samples: Sample[] = []
  const end = Date.now() + Number(values.minutes) * 60_000
  while (Date.now() < end) {
    await sleep(SAMPLE_MS)
    samples.push(sampleOf(cluster))
  }
  await people.stop()
  await people.audit()
  const { requests, failures, lost, undone } = people.ledger
  const third = Math.floor(samples.length / 3)
  const [second, last] = [samples.slice(third, 2 * third), samples.slice(-third)]
  process.stdout.write('|  | second third | last third |\n| --- | --: | --: |\n')
  let hasGrown = false
  for (const [name, unit] of FIGURES) {
    const [before, after] = [median(second, name), median(last, name)]
    hasGrown ||= after > before * MAX_GROWTH
    process.stdout.write(`| ${name}, ${unit} | ${before.toFixed(0)} | ${after.toFixed(0)} |\n`)
  }
  process.stdout.write(`\n${requests} requests, ${failures.length} failed, ${lost.length} sessions lost, ` +
    `${undone.length} sign-outs undone\n`)
  process.exitCode = hasGrown || failures.length + lost.length + undone.length > 0 ? 1 : 0
} finally {
  await cluster.close()
}
process.exit()

function sampleOf ({ instances, gate }: Cluster): Sample {
  const usages = instances.map((instance) => instance.usage())
  const mean = (name: 'rss' | 'descriptors') =>
    usages.reduce((sum, usage) => sum + usage[name], 0) / usages.length
  return { rss: mean('rss'), descriptors: mean('descriptors'), connections: gate.connections }
}

function median (samples: Sample[], name: keyof Sample): number {
  const sorted = samples.map((sample) => sample[name]).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}
