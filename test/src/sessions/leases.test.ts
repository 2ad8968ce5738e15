import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { leaseSid, type Busy, type Lease } from '../../../src/sessions/leases.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { database } from '../../support/database.js'

const leasesOf = (pool: pg.Pool) => {
  const store = new PgSessionStore({ pool, pruneSessionInterval: false })
  return { acquire: (id: string, durationMs: number) => store.acquireLease(id, durationMs) }
}

async function open (t: Test) {
  const db = await database(t)
  const process_ = () => {
    const pool = new pg.Pool({ connectionString: db.url, max: 4 }).on('error', () => {})
    t.teardown(() => pool.end())
    return leasesOf(pool)
  }
  return { url: db.url, query: (sql: string) => db.query(sql), one: process_(), other: process_() }
}

const acquired = (turn: Lease | Busy): Lease => {
  if (!turn.acquired) throw new Error('not acquired')
  return turn
}

test('Of many who ask at once, in two processes, one gets the turn; the table is created for it', async (t) => {
  const { one, other } = await open(t)
  const turns = await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : other).acquire('session', 10_000)))
  t.equal(turns.filter((turn) => turn.acquired).length, 1)
  t.same(turns.filter((turn) => !turn.acquired), Array(19).fill({ acquired: false, failed: undefined }))
})

test('A turn that is released is the next one\'s at once, and leaves no row', async (t) => {
  const { one, other, query } = await open(t)
  await acquired(await one.acquire('session', 10_000)).release()
  const turn = acquired(await other.acquire('session', 10_000))
  await turn.release()
  t.same(await query('SELECT * FROM session'), [])
})

test('Turns of different sessions have nothing to do with each other', async (t) => {
  const { one } = await open(t)
  t.equal((await one.acquire('session', 10_000)).acquired, true)
  t.equal((await one.acquire('Session', 10_000)).acquired, true)
})

test('A turn ends by itself, and what its late holder says changes nothing any more', async (t) => {
  const { one, other, query } = await open(t)
  const late = acquired(await one.acquire('session', 200))
  t.equal((await other.acquire('session', 10_000)).acquired, false)
  await sleep(250)
  acquired(await other.acquire('session', 10_000))

  await late.release()
  await late.fail('ERR_LATE', 10_000)

  t.same(await one.acquire('session', 10_000), { acquired: false, failed: undefined })
  t.equal((await query('SELECT * FROM session')).length, 1)
})

test('After a failure everybody is told so, until the pause is over', async (t) => {
  const { one, other } = await open(t)
  await acquired(await one.acquire('session', 10_000)).fail('ERR_COGNITO_ANSWER', 300)
  t.same(await other.acquire('session', 10_000), { acquired: false, failed: 'ERR_COGNITO_ANSWER' })
  await sleep(350)
  t.equal((await other.acquire('session', 10_000)).acquired, true)
})

test('The row is no session, shows no session id, and goes with the expired ones', async (t) => {
  const { url, one, query } = await open(t)
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await one.acquire('session', 1)
  await sleep(10)
  t.match(await query('SELECT sid, sess FROM session'), [{ sid: leaseSid('session'), sess: { lease: /^[\da-f-]{36}$/ } }])
  t.notMatch(leaseSid('session'), /session/)
  t.equal(await store.prune(), 1)
})

test('Nothing is held meanwhile, neither a connection nor a transaction', async (t) => {
  const { one, query } = await open(t)
  await one.acquire('session', 10_000)
  t.same(await query('SELECT state FROM pg_stat_activity WHERE datname = current_database() AND state <> \'idle\' AND pid <> pg_backend_pid()'), [])
  t.same(await query('SELECT * FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND pid <> pg_backend_pid()'), [])
})

test('A database that is away is ERR_DATABASE', async (t) => {
  const pool = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' }).on('error', () => {})
  t.teardown(() => pool.end())
  await t.rejects(leasesOf(pool).acquire('session', 1000), { code: 'ERR_DATABASE', statusCode: 503 })
})
