import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { leaseSid, type Busy, type Lease } from '../../../src/sessions/leases.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { database } from '../../support/database.js'
import { withTable } from './harness.js'

const leasesOf = (pool: pg.Pool) => {
  const store = new PgSessionStore({ pool, pruneSessionInterval: false })
  return { acquire: (id: string, durationMs: number) => store.acquireLease(id, durationMs) }
}

async function open (t: Test) {
  const db = await withTable(await database(t))
  const process_ = () => {
    const pool = new pg.Pool({ connectionString: db.url, max: 4 }).on('error', () => {})
    t.teardown(() => pool.end())
    return leasesOf(pool)
  }
  return { url: db.url, query: (sql: string) => db.query(sql), one: process_(), other: process_() }
}

const acquired = (lease: Lease | Busy): Lease => {
  if (!lease.acquired) throw new Error('not acquired')
  return lease
}

test('Only one of many concurrent callers acquires the lease', async (t) => {
  const { one, other } = await open(t)
  const leases = await Promise.all(Array.from({ length: 20 }, (_, index) =>
    (index % 2 === 0 ? one : other).acquire('session', 10_000)))
  t.equal(leases.filter((lease) => lease.acquired).length, 1)
  t.same(leases.filter((lease) => !lease.acquired), Array(19).fill({ acquired: false, failed: undefined }))
})

test('A released lease is free at once and leaves no row', async (t) => {
  const { one, other, query } = await open(t)
  await acquired(await one.acquire('session', 10_000)).release()
  const lease = acquired(await other.acquire('session', 10_000))
  await lease.release()
  t.same(await query('SELECT * FROM session'), [])
})

const TEN_SECONDS_LATER = 'UPDATE session SET expire = expire - interval \'10 seconds\''

test('Leases of different sessions are independent', async (t) => {
  const { one } = await open(t)
  t.equal((await one.acquire('session', 10_000)).acquired, true)
  t.equal((await one.acquire('Session', 10_000)).acquired, true)
})

test('A lease expires, and its late holder changes nothing', async (t) => {
  const { one, other, query } = await open(t)
  const late = acquired(await one.acquire('session', 10_000))
  t.equal((await other.acquire('session', 10_000)).acquired, false)
  await query(TEN_SECONDS_LATER)
  acquired(await other.acquire('session', 10_000))

  await late.release()
  await late.fail('ERR_LATE', 10_000)

  t.same(await one.acquire('session', 10_000), { acquired: false, failed: undefined })
  t.equal((await query('SELECT * FROM session')).length, 1)
})

test('A failure is reported to other callers until the pause ends', async (t) => {
  const { one, other, query } = await open(t)
  await acquired(await one.acquire('session', 10_000)).fail('ERR_COGNITO_ANSWER', 10_000)
  t.same(await other.acquire('session', 10_000), { acquired: false, failed: 'ERR_COGNITO_ANSWER' })
  await query(TEN_SECONDS_LATER)
  t.equal((await other.acquire('session', 10_000)).acquired, true)
})

test('The row of a lease hides the session id and is pruned', async (t) => {
  const { url, one, query } = await open(t)
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await one.acquire('session', 1)
  await sleep(10)
  t.match(await query('SELECT sid, sess::json AS sess FROM session'), [
    { sid: leaseSid('session'), sess: { lease: /^[\da-f-]{36}$/ } }
  ])
  t.notMatch(leaseSid('session'), /session/)
  t.equal(await store.prune(), 1)
})

test('A lease holds no connection and no transaction', async (t) => {
  const { one, query } = await open(t)
  await one.acquire('session', 10_000)
  t.same(await query(`
    SELECT state
      FROM pg_stat_activity
      WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()`), [])
  t.same(await query(`
    SELECT *
      FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE datname = current_database() AND pid <> pg_backend_pid()`), [])
})

test('An unreachable database is ERR_DATABASE', async (t) => {
  const pool = new pg.Pool({ connectionString: 'postgres://user@127.0.0.1:1/none' }).on('error', () => {})
  t.teardown(() => pool.end())
  await t.rejects(leasesOf(pool).acquire('session', 1000), { code: 'ERR_DATABASE', statusCode: 503 })
})
