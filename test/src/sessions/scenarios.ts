/**
 * Scenarios that need a separate process: several instances, uncaught errors, clocks and time zones.
 *
 * @module
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { SessionData } from '../../../src/sessions/types.js'
import { PgSessionStore, type PgSessionStoreOptions } from '../../../src/sessions/store.js'
import { until } from '../../support/until.js'
import { promised, session } from './harness.js'

interface At { url: string }

function open (url: string, options: PgSessionStoreOptions = {}) {
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false, ...options })
  return { store, ...promised(store) }
}

/** Ten stores, each with its own pool, write at the time `at`. Returns the errors. */
export async function tenStores ({ url, at }: At & { at: number }): Promise<string[]> {
  const stores = Array.from({ length: 10 }, () => open(url))
  await sleep(at - Date.now())
  const outcomes = await Promise.allSettled(stores.map(({ set }, i) => set(`${process.pid}-${i}`, session())))
  await Promise.all(stores.map(({ store }) => store.close()))
  return outcomes.flatMap((outcome) => outcome.status === 'rejected' ? [String((outcome.reason as Error).cause)] : [])
}

interface ThrowingOutcome { calls: Record<string, number>, uncaught: string[], stored: boolean }

/** Callbacks that throw. Returns how often each was called, and the uncaught errors. */
export async function throwingCallbacks ({ url }: At): Promise<ThrowingOutcome> {
  const uncaught: string[] = []
  process.on('uncaughtException', (error) => { uncaught.push(error.message) })
  const { store, set, load } = open(url)
  await set('kept', session({ user: 'alice' }))
  const calls: Record<string, number> = {}
  const thrower = (name: string) => () => {
    calls[name] = (calls[name] ?? 0) + 1
    throw new Error(name)
  }
  store.get('kept', thrower('get'))
  store.set('other', session(), thrower('set'))
  store.touch('kept', session(), thrower('touch'))
  store.destroy('unknown', thrower('destroy'))
  store.all(thrower('all'))
  store.length(thrower('length'))
  store.set('bad', session({ big: 1n }), thrower('error'))
  await sleep(300)
  const stored = (await load('kept'))['user'] === 'alice'
  await store.close()
  return { calls, uncaught: uncaught.sort(), stored }
}

/** A proxy to the server of `url` that can cut all of its connections. */
async function cuttable (url: string) {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: Object.assign(new URL(url), { port: (server.address() as AddressInfo).port }).href,
    cut: () => { for (const socket of sockets) socket.resetAndDestroy() },
    close: () => { server.close() }
  }
}

/** The statements that wait for the session table. */
const WAITING = 'SELECT FROM pg_locks WHERE relation = \'session\'::regclass AND NOT granted'

/**
 * Loses idle and busy connections of the store's own pool and of a given pool without listeners. Returns how a read
 * and a write ended.
 */
export async function terminated ({ url: given, directUrl }: At & { directUrl: string }) {
  const { url, cut, close } = await cuttable(given)
  const admin = new pg.Client(directUrl)
  await admin.connect()
  const terminate = () => admin.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \'victim\''
  )
  const named = `${url}?application_name=victim`
  const pool = new pg.Pool({ connectionString: named })
  const found: Record<string, { read: string[], write: string[], afterwards: number | undefined }> = {}
  for (const what of [
    'own, idle', 'own, idle, cut', 'own, busy', 'own, busy, cut', 'given, busy', 'given, busy, cut'
  ]) {
    const lose = async () => {
      if (what.endsWith('cut')) cut()
      else await terminate()
    }
    const { store, length } = open(named, what.startsWith('given') ? { pool } : {})
    await length()
    const [read, write]: [string[], string[]] = [[], []]
    const noteIn = (outcomes: string[]) => (error?: unknown) => {
      outcomes.push(error === null ? 'ok' : (error as { code: string }).code)
    }
    if (what.includes('busy')) {
      await admin.query('BEGIN; LOCK TABLE session')
      store.length(noteIn(read))
      store.clear(noteIn(write))
      await until(async () => (await admin.query(WAITING)).rowCount === 2)
      await lose()
      await until(() => write.length > 0)
      await admin.query('COMMIT')
    } else {
      await lose()
      await sleep(100)
      store.length(noteIn(read))
      store.clear(noteIn(write))
    }
    await until(() => read.length > 0 && write.length > 0)
    await sleep(100) // for calls that would call back twice
    found[what] = { read, write, afterwards: await length() }
    await store.close()
  }
  await pool.end()
  await admin.end()
  close()
  return found
}

/**
 * Runs an instance in each zone with a clock that is wrong by each offset, in hours. It writes a session with a
 * lifetime of 900 s and one with its `ttl` of 1800 s, and touches one that an instance with the right clock wrote.
 */
export async function clocks (
  { url, zones, offsets, pgOptions }: At & { zones: string[], offsets: number[], pgOptions: boolean }
) {
  const outcomes = []
  const { now } = Date
  for (const zone of zones) {
    for (const offset of offsets) {
      const name = `${zone}${offset}`
      const other = open(url)
      await other.set(`other ${name}`, session({ user: 'bob' }, 900))
      process.env['TZ'] = process.env['PGTZ'] = zone
      if (pgOptions) process.env['PGOPTIONS'] = `-c timezone=${zone}`
      const Right = moveClock(offset * 3_600_000)
      const { store, set, load, touch } = open(url, { touchInterval: 0.001, ttl: 1800, absoluteTtl: 3600 })
      const left = ({ cookie }: SessionData) => cookie?.expires instanceof Right
        ? (cookie.expires.getTime() - Date.now()) / 1000
        : undefined
      await set(`ttl ${name}`, session())
      await set(`own ${name}`, session({ user: 'alice' }, 900))
      await sleep(5)
      await set(`ttl ${name}`, await load(`ttl ${name}`))
      const [own, others] = [await load(`own ${name}`), await load(`other ${name}`)]
      const read = { left: left(own), leftOfOther: left(others) }
      for (const [id, one] of [['own', own], ['other', others]] as const) {
        one.cookie = { originalMaxAge: 900_000, expires: new Date(Date.now() + 900_000) }
        await touch(`${id} ${name}`, one)
        await set(`${id} ${name}`, Object.assign(one, { changed: true }))
      }
      outcomes.push({
        zone, offset, seen: Intl.DateTimeFormat().resolvedOptions().timeZone, ...read,
        user: (await load(`own ${name}`))['user'], userOfOther: (await load(`other ${name}`))['user']
      })
      globalThis.Date = Right
      if (Math.abs(Date.now() - now()) > 1000) throw new Error('the clock was not restored')
      await store.close()
      await other.store.close()
    }
  }
  return outcomes
}

/** Moves the clock of this process. Returns the original `Date`. */
function moveClock (ms: number): DateConstructor {
  const Right = Date
  globalThis.Date = new Proxy(Right, {
    construct: (target, args: []) => args.length === 0 ? new target(Right.now() + ms) : new target(...args),
    get: (target, key, receiver) => key === 'now'
      ? () => Right.now() + ms
      : Reflect.get(target, key, receiver) as unknown
  })
  return Right
}
