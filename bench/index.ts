/**
 * `npm run bench`: compares this store and this server with the usual alternatives, all on this machine in one
 * run. Prints tables, and writes `results.json` and `results.svg`.
 *
 * @module
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArguments, USAGE, type Arguments } from './arguments.js'
import { baselineFigures, baselineReport } from './baseline-report.js'
import { openBaseline, THIS_BUILD } from './builds.js'
import { chart } from './chart.js'
import { comparisons } from './comparisons.js'
import { startDatabase } from './database.js'
import { openPages, writePages } from './docs-page.js'
import { machine, placement, stayOffContestantsCore } from './machine.js'
import type { Bench, Busy } from './measure.js'
import { packageVersions } from './packages.js'
import { startLoadGenerator, startServer } from './processes.js'
import { startRedis } from './redis.js'
import { report } from './report.js'
import { median } from './statistics.js'
import { targets } from './targets.js'
import { UsageError } from './usage-error.js'
import { WORKLOAD_NAMES, WORKLOADS, type Findings } from './workloads/index.js'

/** If other processes and the host use more cores than this, the times mean little. */
const MAX_BUSY_OTHERS = 0.1

interface Closable { close (): Promise<void> }

async function main ({ quick, docs, out, baseline: baselineFolder, only, options }: Arguments): Promise<void> {
  const pages = docs ? await openPages() : []
  const baseline = baselineFolder === undefined ? undefined : openBaseline(baselineFolder)
  stayOffContestantsCore()
  const folder = await mkdtemp(join(tmpdir(), 'cashsouk-auth-bench-'))
  const opened: Closable[] = []
  const open = <Resource extends Closable>(resource: Resource): Resource => {
    opened.push(resource)
    return resource
  }
  try {
    await mkdir(out, { recursive: true })
    const database = open(await startDatabase(folder))
    const redis = await startRedis(folder, false)
    const durableRedis = await startRedis(folder, true)
    if (redis === undefined) note('redis-server is not installed: the contestants with Redis are left out')
    else open(redis)
    if (durableRedis !== undefined) open(durableRedis)
    const load = open(await startLoadGenerator())
    const server = open(await startServer('provider', {}, { alone: false }))
    const provider = { url: `http://localhost:${server.port}`, cpu: () => server.cpu() }
    const bench: Bench = { database, redis, durableRedis, load, provider, folder, baseline, options, say: note }

    const versions = {
      node: process.versions.node,
      PostgreSQL: database.version,
      Redis: redis?.version ?? 'none',
      ...await packageVersions()
    }
    const builds = { current: THIS_BUILD.label, ...(baseline === undefined ? {} : { baseline: baseline.label }) }
    const found: Findings = {}
    for (const name of WORKLOAD_NAMES) {
      if (only.length > 0 && !only.includes(name)) continue
      found[name] = await WORKLOADS[name](bench) as never
      // After each workload, so that a later failure does not lose the results so far.
      const results = {
        quick, options, machine: { ...machine, placement }, versions, builds, found,
        targets: targets(found), baseline: baselineFigures(found)
      }
      await writeFile(join(out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
    }
    const compared = comparisons(found)
    if (compared.length > 0) await writeFile(join(out, 'results.svg'), chart(compared))

    const circumstances = [
      `${options.connections} connections, ${options.sessions} sessions of about 1 KB in use; ` +
      `medians of ${options.rounds} rounds of ${options.seconds} s.`,
      `${machine.cores} cores; ${placement}.`,
      `${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}.`
    ]
    print(`${report(found, targets(found))}\n`)
    const figures = baselineFigures(found)
    if (baseline !== undefined && figures.length > 0) print(`${baselineReport(figures, baseline.label)}\n`)
    for (const line of circumstances) print(line)
    await writePages(pages, { found, targets: targets(found), figures, versions, footnote: circumstances.join(' ') })
    warnIfBusy(compared.flatMap(({ results }) => Object.values(results).map((result) => result.median.busy)))
    if (quick) print('This was a quick run: its numbers mean little.')
  } finally {
    for (const resource of opened.reverse()) {
      await resource.close().catch((error: unknown) => { note(String(error)) })
    }
    await rm(folder, { recursive: true, force: true })
  }
}

function warnIfBusy (busy: Busy[]): void {
  const cores = median(busy.map(({ others, host }) => others + host))
  if (cores > MAX_BUSY_OTHERS) {
    print(`Other processes used ${cores.toFixed(2)} cores during the run: repeat it when the machine is idle.`)
  }
}

const print = (text: string): void => { process.stdout.write(`${text}\n`) }

const note = (line: string): void => { process.stderr.write(`${line}\n`) }

try {
  const args = parseArguments(process.argv.slice(2))
  if (args === undefined) print(USAGE)
  else await main(args)
} catch (error) {
  const { code, message, stack } = error as Error & { code?: string }
  const isUsage = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true
  note(isUsage ? `${message}\nnpm run bench -- --help shows the options` : stack ?? message)
  process.exit(1) // contestants that still run end with this process
}
