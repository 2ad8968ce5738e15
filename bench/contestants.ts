/**
 * Starts contestants and gives them sessions.
 *
 * @module
 */
import { storeModule, type Build } from './builds.js'
import type { Plan } from './load/users.js'
import { measureAlternately, type Bench, type Entry, type Result } from './measure.js'
import { ofBaseline, REFERENCE, withCachedSignatures } from './names.js'
import { startServer } from './processes.js'
import { bodyOf, type Workload } from './sample.js'
import type { StoreName } from './servers/stores.js'

export interface Choice {
  name: string
  /** A file in `servers/`, without its extension. */
  file: string
  store?: StoreName
  /** For `connect-redis`: the Redis that writes to disk before it answers. Default: the other one. */
  isDurable?: boolean
  workload?: Workload
  env?: Record<string, string>
  /** Default: the current build. */
  build?: Build
}

export type Contestant = Omit<Entry, 'prepare'>

/** The server of the current build, and that of the baseline if there is one. */
export function ofBothBuilds ({ baseline }: Bench, choice: Choice): Choice[] {
  if (baseline === undefined) return [choice]
  return [choice, { ...choice, name: ofBaseline(choice.name), build: baseline }]
}

/** The store of the current build, and that of the baseline if there is one, in the same server. */
export function withBothStores ({ baseline }: Bench, choice: Choice): Choice[] {
  if (baseline === undefined) return [choice]
  const env = { ...choice.env, STORE_MODULE: storeModule(baseline) }
  return [choice, { ...choice, name: ofBaseline(choice.name), env }]
}

/** The same with `rememberingSigner`, for contestants in Fastify. */
export const cachingSignatures = (choice: Choice): Choice =>
  ({ ...choice, name: withCachedSignatures(choice.name), env: { ...choice.env, SIGNER: 'remembering' } })

/** Number of Redis' logical databases. */
const REDIS_DATABASES = 16

let startedOnRedis = 0

/** Starts a contestant with its own database. @returns undefined if it is not wanted, or Redis is missing. */
export async function start (bench: Bench, choice: Choice): Promise<Contestant | undefined> {
  const { database, provider } = bench
  const { name, file, store, isDurable = false, workload = 'rolling', env = {}, build } = choice
  const redis = isDurable ? bench.durableRedis : bench.redis
  if (!isWanted(bench, name)) return undefined
  if (store === 'connect-redis' && redis === undefined) return undefined
  const usesDatabase = store === undefined || store === 'connect-pg-simple' || store === 'this-store'
  const table = usesDatabase ? await database.create() : undefined
  const server = await startServer(file, {
    WORKLOAD: workload,
    STORE: store ?? '',
    PROVIDER_URL: provider.url,
    ...(table === undefined ? {} : { DATABASE_URL: table.url }),
    ...(redis === undefined ? {} : { REDIS_URL: `${redis.url}/${startedOnRedis++ % REDIS_DATABASES}` }),
    ...profileSettings(bench, choice),
    ...env
  }, build === undefined ? {} : { build })
  const close = async () => {
    await server.close()
    await table?.close()
  }
  return { name, server, table, close }
}

function isWanted ({ options: { contestants } }: Bench, name: string): boolean {
  if (contestants.length === 0 || name === REFERENCE) return true
  return contestants.some((part) => name.includes(part))
}

function profileSettings ({ options: { profiles } }: Bench, { name, file, workload }: Choice): Record<string, string> {
  if (profiles === undefined) return {}
  const folder = file === 'fastify' || file === 'express' ? workload ?? file : file
  return { PROFILES: `${profiles}/${folder}-${name.replaceAll(/[^a-z]+/gi, '-')}` }
}

/** Replaces all sessions by the sessions 0 to `count` - 1. Resolves to their cookies. */
export async function seed ({ server, table }: Contestant, count: number): Promise<string[]> {
  await table?.empty()
  return await server.order({ do: 'seed', count }) as string[]
}

/** @param hasSessions false: every answer is that of session 0. */
export function planFor (workload: Workload, cookies: string[], hasSessions = true): Plan {
  // Without the closing brace, because `change` answers more.
  const expected = cookies.map((_, n) => JSON.stringify(bodyOf(hasSessions ? n : 0)).slice(0, -1))
  if (workload === 'change') return { kind: 'count', path: '/', cookies, expected }
  return { kind: 'get', path: '/', cookies, expected, setsCookie: workload === 'rolling' }
}

/** Starts the contestants, measures them alternately and ends them. */
export async function compare (
  bench: Bench, workload: string, choices: Choice[], prepare: (contestant: Contestant, choice: Choice) => Promise<Plan>
): Promise<Record<string, Result>> {
  const entries: Entry[] = []
  try {
    for (const choice of choices) {
      const contestant = await start(bench, choice)
      if (contestant !== undefined) entries.push({ ...contestant, prepare: () => prepare(contestant, choice) })
    }
    return await measureAlternately(bench, workload, entries)
  } finally {
    for (const { close } of entries) await close()
  }
}
