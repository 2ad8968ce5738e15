import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { SharedCounts } from '../../../src/rate/shared-counts.js'
import { database, type Database } from '../../support/database.js'
import { until } from '../../support/until.js'

const WINDOW_MS = 60_000

function instance (t: Test, url: string, windowMs = WINDOW_MS) {
  const pool = new pg.Pool({ connectionString: url, max: 4 }).on('error', () => {})
  const changes: { isShared: boolean, reason?: string }[] = []
  const counts = new SharedCounts(pool, windowMs, (change) => { changes.push(change) })
  t.teardown(async () => {
    counts.close()
    await pool.end()
  })
  return { counts, changes }
}

/** Adds until there is an answer: the first statement on a busy machine may be late. */
async function added (counts: SharedCounts, key: string, count: number) {
  const answer = await counts.add(key, count)
  if (answer === undefined) throw new Error('no answer in time')
  return answer
}

const rows = async (db: Database) => db.query('SELECT key, count FROM auth_rate_limit ORDER BY key')

test('ten instances that start at once create the table once, and count together', async (t) => {
  const db = await database(t)
  const all = Array.from({ length: 10 }, () => instance(t, db.url))

  await Promise.all(all.map(({ counts }) => counts.add('key', 2)))
  await until(async () => (await rows(db))[0]?.count === 20)

  t.match(await added((all[0] as typeof all[0]).counts, 'key', 1), { total: 21 })
  t.same(all.flatMap(({ changes }) => changes), [])
  t.same(await db.query('SELECT relpersistence FROM pg_class WHERE relname = \'auth_rate_limit\''), [
    { relpersistence: 'u' }
  ])
})

test('a window begins with its first count, and a new one follows', async (t) => {
  const db = await database(t)
  const { counts } = instance(t, db.url, 1500)
  await counts.add('key', 1)
  const { total, leftMs } = await added(counts, 'key', 1)
  t.equal(total, 2)
  t.ok(leftMs > 0 && leftMs <= 1500, `${leftMs} ms`)

  await sleep(1600)
  t.match(await added(counts, 'key', 1), { total: 1 })
})

test('keys that are due together share one statement', async (t) => {
  const db = await database(t)
  const { counts } = instance(t, db.url)
  await counts.add('first', 1)
  const before = counts.stats.statements

  await Promise.all(Array.from({ length: 100 }, (_, n) => counts.add(`key ${n % 50}`, 1)))

  await until(async () => (await rows(db)).length === 51)
  t.ok(counts.stats.statements - before <= 2)
  t.match(await added(counts, 'key 7', 1), { total: 3 })
})

test('windows that are over are removed', async (t) => {
  const db = await database(t)
  const { counts } = instance(t, db.url, 100)
  await counts.add('key', 1)
  await until(async () => (await rows(db)).length === 1)
  await until(async () => (await rows(db)).length === 0)
})

test('a role that may not create the table counts alone, and says so once', async (t) => {
  const db = await database(t)
  const role = `limited_${Math.random().toString(36).slice(2)}`
  await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'test'`)
  t.teardown(() => db.query(`DROP ROLE ${role}`))
  const url = Object.assign(new URL(db.directUrl), { username: role, password: 'test' }).href
  const { counts, changes } = instance(t, url)

  for (let i = 0; i < 3; i++) t.equal(await counts.add('key', 1), undefined)
  await until(() => changes.length > 0)

  t.equal(counts.stats.failures, 1, 'and does not try again at once')
  t.match(changes, [{ isShared: false, reason: /42501|permission denied/ }])
})

test('a count that is locked holds up no request', async (t) => {
  const db = await database(t)
  const { counts } = instance(t, db.url)
  await counts.add('key', 1)
  await until(async () => (await rows(db)).length === 1)
  const client = new pg.Client(db.directUrl)
  await client.connect()
  await client.query('BEGIN; LOCK TABLE auth_rate_limit')
  const began = performance.now()

  t.equal(await counts.add('key', 1), undefined)

  t.ok(performance.now() - began < 1500)
  await client.query('COMMIT')
  await client.end()
})
