/**
 * What is compared, workload by workload. Each resolves to what it found.
 *
 * @module
 */
import type { Plan } from './load/users.js'
import { inTurns, measure, median, type Bench, type Entry, type Result, type Sample } from './measure.js'
import { runScript, startServer } from './processes.js'
import { bodyOf, type Workload } from './sample.js'
import type { StoreName } from './servers/stores.js'

/** The names of the contestants in tables and targets. */
export const BASELINE = 'express-session + connect-pg-simple'
export const THIS_STORE = '@fastify/session + this store'
export const THIS_SERVER = 'this server'
export const OLD_STACK = 'express-session + openid-client + connect-pg-simple'
/** Hands out an object that it has, to a plugin whose cookies are remembered as with this store. */
const FREE_STORE = '@fastify/session in memory, cookies remembered'
export const REDIS = '@fastify/session + connect-redis'

/** Of the stub's ID tokens. */
const PROVIDERS_SUB = '5d2f0c4e-9a1b-4c3d-8e7f-0123456789ab'

const FRAMEWORKS = [['express', 'express-session'], ['fastify', '@fastify/session']] as const
const STORES: [StoreName, string][] = [
  ['connect-pg-simple', 'connect-pg-simple'], ['connect-redis', 'connect-redis'], ['memory', 'in memory'], ['none', 'no sessions'], ['this-store', 'this store']
]

/** Numbers that make names of databases. */
let databases = 0
/** Redis has 16 logical databases. */
let redisDatabases = 0

interface Choice { name: string, file: string, store?: StoreName, workload?: Workload, env?: Record<string, string> }

/** Starts a contestant with a database of its own. Undefined where Redis is needed and is not there. */
async function start (bench: Bench, { name, file, store, workload = 'rolling', env = {} }: Choice): Promise<Omit<Entry, 'prepare'> | undefined> {
  const { database, redis, provider, options: { contestants, profiles } } = bench
  const isWanted = contestants.length === 0 || name === BASELINE || contestants.some((part) => name.includes(part))
  if (!isWanted) return undefined
  if (store === 'connect-redis' && redis === undefined) return undefined
  const usesDatabase = store === undefined || store === 'connect-pg-simple' || store === 'this-store'
  const table = usesDatabase ? await database.create(`bench_${++databases}`) : undefined
  const server = await startServer(file, {
    WORKLOAD: workload,
    STORE: store ?? '',
    PROVIDER_URL: provider,
    ...(table === undefined ? {} : { DATABASE_URL: table.url }),
    ...(redis === undefined ? {} : { REDIS_URL: `${redis.url}/${redisDatabases++ % 16}` }),
    ...(profiles === undefined ? {} : { PROFILES: `${profiles}/${file === 'fastify' || file === 'express' ? workload : file}-${name.replaceAll(/[^a-z]+/gi, '-')}` }),
    ...env
  })
  const close = async () => { await server.close(); await table?.close() }
  return { name, server, table, close }
}

/** Empties what the contestant keeps and gives it the sessions 0 to `count` - 1. Resolves to their cookies. */
async function seed ({ server, table }: Omit<Entry, 'prepare'>, count: number): Promise<string[]> {
  await table?.empty()
  return await server.order({ do: 'seed', count }) as string[]
}

/** Workloads `read`, `rolling` and `change`: every store in every framework. */
export async function stores (bench: Bench, workload: Workload): Promise<Record<string, Result>> {
  const entries: Entry[] = []
  for (const [store, storeName] of STORES) {
    for (const [file, framework] of FRAMEWORKS) {
      if (store === 'none' && workload !== 'read') continue
      const name = store === 'none' ? `${file === 'express' ? 'Express' : 'Fastify'}, ${storeName}` : `${framework} ${store === 'memory' ? '' : '+ '}${storeName}`
      const started = await start(bench, { name, file, store, workload })
      if (started !== undefined) entries.push({ ...started, prepare: async () => planFor(workload, await seed(started, bench.options.sessions), store === 'none') })
    }
  }
  // How fast a store could be that costs nothing at all: what is left is the framework's and the session plugin's.
  const free = await start(bench, { name: FREE_STORE, file: 'fastify', store: 'memory', workload, env: { SIGNER: 'remembering' } })
  if (free !== undefined) entries.push({ ...free, prepare: async () => planFor(workload, await seed(free, bench.options.sessions), false) })
  return inTurnsAndClose(bench, workload, entries)
}

function planFor (workload: Workload, cookies: string[], always0: boolean): Plan {
  const expected = cookies.map((_, n) => JSON.stringify(bodyOf(always0 ? 0 : n)).slice(0, -1)) // without the last brace: `change` says more
  if (workload === 'change') return { kind: 'count', path: '/', cookies, expected }
  return { kind: 'get', path: '/', cookies, expected, setsCookie: workload === 'rolling' }
}

/** `GET /api/auth/me` of this server with everything on. It renews the cookie only where it moves the row's expiry. */
export async function me (bench: Bench): Promise<Record<string, Result>> {
  const entries: Entry[] = []
  for (const choice of [{ name: REDIS, file: 'me-on-redis', store: 'connect-redis' as const }, { name: THIS_SERVER, file: 'this-server' }]) {
    const started = await start(bench, choice)
    if (started === undefined) continue
    entries.push({
      ...started,
      async prepare () {
        const cookies = await seed(started, bench.options.sessions)
        return { kind: 'get', path: '/api/auth/me', cookies, expected: cookies.map((_, n) => `"sub":"${bodyOf(n).sub}"`), setsCookie: choice.name === REDIS }
      }
    })
  }
  return inTurnsAndClose(bench, 'me', entries)
}

/** Logins and their callbacks. */
export async function signIn (bench: Bench): Promise<Record<string, Result>> {
  const entries: Entry[] = []
  for (const choice of [{ name: OLD_STACK, file: 'old-stack' }, { name: THIS_SERVER, file: 'this-server' }]) {
    const started = await start(bench, choice)
    if (started === undefined) continue
    entries.push({
      ...started,
      async prepare () {
        await started.table?.empty()
        return { kind: 'sign-in', expected: PROVIDERS_SUB }
      }
    })
  }
  return inTurnsAndClose(bench, 'sign-in', entries)
}

/** Milliseconds of one `get` at a time. */
export async function latency (bench: Bench): Promise<Record<string, { p50: number, p99: number }>> {
  const table = await bench.database.create(`bench_${++databases}`)
  bench.say('latency: one connection')
  const { taken } = await runScript<{ taken: Record<string, number[]> }>('latency', { DATABASE_URL: table.url, ROUNDS: String(Math.ceil(bench.options.rounds * bench.options.seconds * 4)) })
  await table.close()
  return Object.fromEntries(Object.entries(taken).map(([name, times]) => {
    const sorted = times.toSorted((a, b) => a - b)
    const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? NaN
    return [name, { p50: at(0.5), p99: at(0.99) }]
  }))
}

const PG_STORES: [StoreName, string][] = [['connect-pg-simple', '@fastify/session + connect-pg-simple'], ['this-store', THIS_STORE]]

/** Sessions in use that are more than the process remembers anything of. */
const MANY = 50_000

/** Reading from a small table, and from a large one: as many sessions in use, spread over the whole of it, and a great many. */
export async function rows (bench: Bench): Promise<Record<string, Result>> {
  const { options } = bench
  const entries: Entry[] = []
  for (const [store, name] of PG_STORES) {
    const small = await start(bench, { name, file: 'fastify', store, workload: 'read' })
    if (small !== undefined) entries.push({ ...small, prepare: async () => planFor('read', await seed(small, options.sessions), false) })
    const large = await start(bench, { name: `${name}, large`, file: 'fastify', store, workload: 'read' })
    if (large === undefined) continue
    bench.say(`rows: ${name} gets ${options.rows} rows`)
    await seed(large, 1)
    await large.table?.fill(options.rows, false)
    const inUse = async (count: number): Promise<Plan> => {
      const numbers = Array.from({ length: Math.min(count, options.rows) }, (_, i) => 1 + (i * 7919) % options.rows)
      const cookies = await large.server.order({ do: 'cookies', numbers }) as string[]
      return { kind: 'get', path: '/', cookies, expected: cookies.map(() => JSON.stringify(bodyOf(0))), setsCookie: false }
    }
    entries.push({ ...large, prepare: () => inUse(options.sessions) })
    entries.push({ ...large, name: `${name}, large, ${MANY} in use`, prepare: () => inUse(MANY), close: async () => {} })
  }
  return inTurnsAndClose(bench, 'rows', entries)
}

export interface Pruning { without: Sample, during: Sample, slowdown: number }

/** Reading while a great many expired sessions are removed. */
export async function prune (bench: Bench): Promise<Record<string, Pruning>> {
  const { options } = bench
  const found: Record<string, Pruning[]> = {}
  const started = await Promise.all(PG_STORES.map(([store, name]) => start(bench, { name, file: 'fastify', store, workload: 'read' })))
  for (let round = 0; round < Math.min(options.rounds, 3); round++) {
    for (const contestant of started) {
      if (contestant?.table === undefined) continue
      const { name, server, table } = contestant
      bench.say(`prune: round ${round + 1}, ${name}`)
      await seed(contestant, 1)
      await table.fill(options.rows, true)
      const cookies = await server.order({ do: 'seed', count: options.sessions }) as string[]
      const entry: Entry = { ...contestant, prepare: async () => planFor('read', cookies, false) }
      if (round === 0) await measure(bench, entry, { warmUp: 0, seconds: options.warmUp })
      const without = await measure(bench, entry)
      const during = await measure(bench, entry, { warmUp: 0.5, seconds: 0 }, () => server.order({ do: 'prune' }))
      const left = await table.rows()
      if (left !== options.sessions) throw new Error(`${name} left ${left - options.sessions} expired rows`)
      ;(found[name] ??= []).push({ without, during, slowdown: during.p95 / without.p95 })
    }
  }
  for (const contestant of started) await contestant?.close()
  return Object.fromEntries(Object.entries(found).map(([name, rounds]) => {
    const slowdown = median(rounds.map((one) => one.slowdown))
    return [name, rounds.toSorted((a, b) => Math.abs(a.slowdown - slowdown) - Math.abs(b.slowdown - slowdown))[0] as Pruning]
  }))
}

/** Bytes per session, and WAL bytes per touch. */
export interface Disk { fresh: number, afterTouches: number, walPerTouch: number }

/** What sessions take on disk, and after a hundred touches of each in turn. */
export async function disk (bench: Bench): Promise<Record<string, Disk>> {
  const { sessions } = bench.options
  const touches = bench.options.rows / 10
  const found: Record<string, Disk> = {}
  const choices: Choice[] = [
    { name: 'connect-pg-simple', file: 'express', store: 'connect-pg-simple' },
    { name: 'this store', file: 'express', store: 'this-store', env: { HASH_IDS: 'true' } },
    { name: 'this store, every touch written', file: 'express', store: 'this-store', env: { HASH_IDS: 'true', TOUCH_INTERVAL: '0.000001' } }
  ]
  for (const choice of choices) {
    bench.say(`disk: ${choice.name}`)
    const contestant = await start(bench, choice)
    if (contestant?.table === undefined) continue
    const { server, table } = contestant
    await seed(contestant, 1) // makes the table
    await seed(contestant, sessions)
    const fresh = await table.size()
    const before = await bench.database.wal()
    await server.order({ do: 'touch', count: touches, sessions })
    const after = await bench.database.wal()
    found[choice.name] = { fresh: fresh / sessions, afterTouches: await table.size() / sessions, walPerTouch: (after - before) / touches }
    if (await table.rows() !== sessions) throw new Error(`${choice.name} has lost rows`)
    await contestant.close()
  }
  return found
}

async function inTurnsAndClose (bench: Bench, workload: string, entries: Entry[]): Promise<Record<string, Result>> {
  try {
    return await inTurns(bench, workload, entries)
  } finally {
    for (const { close } of entries) await close()
  }
}
