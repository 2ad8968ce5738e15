/**
 * Statements that are given up are cancelled in the database. Behind a pooler, which may not survive a CancelRequest,
 * the role's `lock_timeout` ends them.
 */
import { createServer, connect, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { connectionOptions, PgSessionStore, poolBounds } from '../../../src/sessions/index.js'
import { database, withSetting, type Database } from '../../support/database.js'
import { pooled } from '../../support/pgbouncer.js'
import { until } from '../../support/until.js'

const POOLS = 3
/** Connections of each: as many statements that write as a store has in flight. */
const MAX = 2
const LOCK_MS = 10_000

/** Takes the whole table; resolves to what gives it back. */
async function lock (t: Test, { directUrl }: Database): Promise<() => Promise<void>> {
  const holder = new pg.Client({ connectionString: directUrl, application_name: 'holder' })
  await holder.connect()
  t.teardown(() => holder.end())
  await holder.query('BEGIN; LOCK TABLE session IN ACCESS EXCLUSIVE MODE')
  return async () => { await holder.query('ROLLBACK') }
}

/** How many statements wait for the table. */
async function waiting (db: Database): Promise<number> {
  const [row] = await db.query(`
    SELECT count(*)::int AS n
    FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name <> 'holder'`)
  return Number(row?.['n'])
}

/** The URL for the code under test. */
const urlOf = async (t: Test, db: Database): Promise<string> =>
  pooled ? withSetting(t, db, 'lock_timeout', '1500ms') : db.url

/** A CancelRequest without its process and key: its length and its code. */
const CANCEL_REQUEST = Buffer.from([0, 0, 0, 16, 4, 210, 22, 46])

/** The same database by way of a relay that counts CancelRequests. */
async function relay (t: Test, url: string): Promise<{ url: string, cancels: () => number }> {
  const { hostname, port } = new URL(url)
  let cancels = 0
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    client.once('data', (bytes) => { if (bytes.subarray(0, 8).equals(CANCEL_REQUEST)) cancels++ })
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      from.on('error', () => {}).on('close', () => { to.destroy() }).pipe(to)
    }
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close() })
  const at = String((server.address() as AddressInfo).port)
  return { url: Object.assign(new URL(url), { port: at }).href, cancels: () => cancels }
}

function storeOf (t: Test, url: string, max: number): PgSessionStore {
  const pool = new pg.Pool({ ...poolBounds, ...connectionOptions(url), max }).on('error', () => {})
  const store = new PgSessionStore({ pool, pruneSessionInterval: false })
  t.teardown(async () => {
    await store.close()
    await pool.end()
  })
  return store
}

test('A table that is locked for 10 s takes no more connections than the pools have', async (t) => {
  const db = await database(t)
  const url = await urlOf(t, db)
  const stores = Array.from({ length: POOLS }, () => storeOf(t, url, MAX))
  await stores[0]?.createTable()
  const release = await lock(t, db)
  let isLocked = true
  // Each has a statement of its own.
  const callers = stores.flatMap((store) => Array.from({ length: 12 }, async (_, i) => {
    while (isLocked) await store.destroyByUser(`${i}`).catch(() => {})
  }))

  const counts: number[] = []
  const end = performance.now() + LOCK_MS
  while (performance.now() < end) {
    counts.push(await waiting(db))
    await sleep(100)
  }
  isLocked = false
  await release()
  await Promise.all(callers)

  t.ok(Math.max(...counts) >= POOLS * MAX - 2, `the pools are in use: ${counts.join()}`)
  t.ok(Math.max(...counts) <= POOLS * MAX + 3, `at most ${Math.max(...counts)} waited`)
  await until(async () => await waiting(db) === 0)
})

test('A write that is given up does not happen later', async (t) => {
  const db = await database(t)
  const store = storeOf(t, await urlOf(t, db), 2)
  await store.promises.set('id', { cookie: {}, user: { sub: 'x' } })
  const release = await lock(t, db)
  await t.rejects(store.promises.destroy('id'), { code: 'ERR_DATABASE' })
  await until(async () => await waiting(db) === 0)
  await release()
  await sleep(200)
  t.not(await store.promises.get('id'), null)
})

test('A CancelRequest goes to the server itself, and to no pooler', async (t) => {
  const db = await database(t)
  const { url, cancels } = await relay(t, db.url)
  const store = storeOf(t, url, 2)
  await store.createTable()
  const release = await lock(t, db)
  await t.rejects(store.promises.destroy('id'), { code: 'ERR_DATABASE' })
  await release()
  await sleep(500)
  t.equal(cancels() > 0, !pooled, `${cancels()} requests`)
})
