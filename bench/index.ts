/**
 * `npm run bench`: this store and this server beside what one would take instead, all on this machine in
 * one run. Prints tables, writes `bench/results.json` and `bench/results.svg`.
 *
 * @module
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { chart } from './chart.js'
import { startDatabase } from './database.js'
import { machine, placement, stayOffContestantsCore } from './machine.js'
import { markdown, replaced } from './markdown.js'
import { median, type Bench, type Options } from './measure.js'
import { startLoadGenerator, startServer } from './processes.js'
import { startRedis } from './redis.js'
import { comparisons, report } from './report.js'
import { targets, type Findings } from './targets.js'
import * as workloads from './workloads.js'

const WORKLOADS: { [Name in keyof Findings]-?: (bench: Bench) => Promise<NonNullable<Findings[Name]>> } = {
  'read': (bench) => workloads.stores(bench, 'read'),
  'rolling': (bench) => workloads.stores(bench, 'rolling'),
  'change': (bench) => workloads.stores(bench, 'change'),
  'me': workloads.me,
  'sign-in': workloads.signIn,
  'latency': workloads.latency,
  'rows': workloads.rows,
  'prune': workloads.prune,
  'disk': workloads.disk
}
const NAMES = Object.keys(WORKLOADS) as (keyof Findings)[]

const USAGE = `npm run bench -- [--quick] [--only read,rolling] [--contestants redis,this] [--rounds 5] [--seconds 5] [--out bench] [--profile] [--readme]

  --quick        some minutes, to see that it works: its numbers mean little
  --only         some of ${NAMES.join(', ')}
  --contestants  those with one of these in their names, besides ${workloads.BASELINE}
  --rounds       how often everybody has a turn
  --seconds      how long a turn is
  --out          the folder for results.json and results.svg; default bench
  --profile      writes the contestants' CPU profiles to profiles in that folder, and slows them down
  --readme       writes the results into README.md`

const QUICK = { rounds: 2, seconds: 1, warmUp: 1, rows: 100_000 }
const FULL = { rounds: 5, seconds: 5, warmUp: 3, rows: 1_000_000 }

/** Where others take more of the machine, in cores, the times mean little. */
const QUIET = 0.1

interface Arguments { quick: boolean, readme: boolean, out: string, options: Options }

/** Undefined: the usage is asked for. */
function argumentsOf (args: string[]): Arguments | undefined {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' }, contestants: { type: 'string', default: '' },
      profile: { type: 'boolean', default: false }, readme: { type: 'boolean', default: false }, rounds: { type: 'string' }, seconds: { type: 'string' },
      out: { type: 'string', default: 'bench' }, help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return undefined
  const list = (text: string) => text.split(',').filter((name) => name !== '')
  const only = list(values.only)
  for (const name of only) if (!(NAMES as string[]).includes(name)) throw new Error(`${name} is no workload`)
  const options: Options = {
    ...(values.quick ? QUICK : FULL), connections: 64, sessions: 1000, only, contestants: list(values.contestants),
    profiles: values.profile ? resolve(values.out, 'profiles') : undefined
  }
  if (values.rounds !== undefined) options.rounds = positive('rounds', values.rounds)
  if (values.seconds !== undefined) options.seconds = positive('seconds', values.seconds)
  return { quick: values.quick, readme: values.readme, out: values.out, options }
}

function positive (name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0`)
  return value
}

async function main ({ quick, readme, out, options }: Arguments): Promise<void> {
  stayOffContestantsCore()
  const folder = await mkdtemp(join(tmpdir(), 'cashsouk-auth-bench-'))
  const closers: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })]
  const opened = <Closable extends { close (): Promise<void> }>(what: Closable): Closable => {
    closers.push(() => what.close())
    return what
  }
  try {
    await mkdir(out, { recursive: true })
    const database = opened(await startDatabase(folder))
    const redis = await startRedis(folder)
    if (redis === undefined) note('There is no redis-server here: its contestants are left out')
    else opened(redis)
    const load = opened(await startLoadGenerator())
    const provider = opened(await startServer('provider', {}, false))
    const bench: Bench = { database, redis, load, options, say: note, provider: `http://localhost:${provider.port}`, providerCpu: () => provider.cpu() }

    const versions = { node: process.versions.node, PostgreSQL: database.version, Redis: redis?.version ?? 'none', ...await packageVersions() }
    const found: Findings = {}
    for (const name of NAMES) {
      if (options.only.length > 0 && !options.only.includes(name)) continue
      found[name] = await WORKLOADS[name](bench) as never
      // After each: a failure later on costs nobody what was found before.
      const results = { quick, options, machine: { ...machine, placement }, versions, found, targets: targets(found) }
      await writeFile(join(out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
    }
    const compared = comparisons(found)
    if (compared.length > 0) await writeFile(join(out, 'results.svg'), chart(compared))

    const met = targets(found)
    console.log(`${report(found, met)}\n`)
    const circumstances = [
      `${options.connections} connections, ${options.sessions} sessions of about 1 KB in use; ${options.rounds} rounds of ${options.seconds} s, medians.`,
      `${machine.cores} cores; ${placement}.`,
      `${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}.`
    ]
    for (const line of circumstances) console.log(line)
    if (readme) await writeFile('README.md', replaced(await readFile('README.md', 'utf8'), markdown(found, met, circumstances.join(' '))))
    const others = median(compared.flatMap(({ results }) => Object.values(results).map(({ median: { busy } }) => busy.others + busy.host)))
    if (others > QUIET) console.log(`Others took ${others.toFixed(2)} cores meanwhile: run it again when the machine is quiet.`)
    if (quick) console.log('This was a quick run: its numbers mean little.')
  } finally {
    for (const close of closers.reverse()) await close().catch((error: unknown) => { note(String(error)) })
  }
}

const PACKAGES = ['express', 'express-session', 'fastify', '@fastify/session', '@fastify/cookie', 'connect-pg-simple', 'connect-redis', 'redis', 'openid-client', 'pg']

/** Those that are installed, whatever package.json wishes. */
async function packageVersions (): Promise<Record<string, string>> {
  const require = createRequire(import.meta.url)
  return Object.fromEntries(await Promise.all(PACKAGES.map(async (name): Promise<[string, string]> => {
    const path = require.resolve.paths(name)?.map((folder) => join(folder, name, 'package.json')) ?? []
    for (const file of path) {
      const text = await readFile(file, 'utf8').catch(() => undefined)
      if (text !== undefined) return [name, (JSON.parse(text) as { version: string }).version]
    }
    return [name, 'unknown']
  })))
}

const note = (line: string): void => { process.stderr.write(`${line}\n`) }

try {
  const wanted = argumentsOf(process.argv.slice(2))
  if (wanted === undefined) process.stdout.write(`${USAGE}\n`)
  else await main(wanted)
} catch (error) {
  const { code, message, stack } = error as Error & { code?: string }
  note(code?.startsWith('ERR_PARSE_ARGS') === true || message.startsWith('--') || message.endsWith('is no workload') ? `${message}\n\n${USAGE}` : stack ?? message)
  process.exit(1) // contestants may be left, and end when this process does
}
