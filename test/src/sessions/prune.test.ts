import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { until } from '../../support/until.js'
import { advisoryLock, NOW, poolOf, rows, schema, session, sessions, type Db } from './harness.js'

/**
 * Inserts rows that expire this many seconds from now, or expired that long ago if it is negative, in
 * the order of their numbers.
 */
const fill = (db: Db, count: number, seconds: number, prefix = 'id') => db.query(`
  INSERT INTO session
    SELECT $1 || n, '{"cookie":{}}', ${NOW} + $2 * interval '1 second' + n * interval '1 microsecond'
      FROM generate_series(1, $3) AS n`, [prefix, seconds, count])

/** Makes every DELETE of the row `id1` do this first. */
const before = (db: Db, what: string) => db.query(`
  CREATE FUNCTION before () RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM ${what}; RETURN OLD; END';
  CREATE TRIGGER before BEFORE DELETE ON session FOR EACH ROW WHEN (OLD.sid = 'id1') EXECUTE FUNCTION before ()`)

/** Blocks every DELETE of the row `id1` until `release`. `held` resolves when one is blocked. */
async function hold (t: Test, db: Db) {
  await before(db, 'pg_advisory_xact_lock_shared(1)')
  const { waitedFor, release } = await advisoryLock(t, db)
  return { held: waitedFor, release }
}

/** The delays of all timers of less than 2 s from now on, in milliseconds. Those of pg are longer. */
function delays (t: Test): number[] {
  const seen: number[] = []
  const { setTimeout: later } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (fn: () => void, ms: number) => {
      if (ms < 2000) seen.push(ms)
      return later(fn, ms)
    }
  })
  return seen
}

/** A separate client, which may hold locks. */
async function client (t: { teardown (fn: () => Promise<void>): void }, db: Db): Promise<pg.Client> {
  const one = new pg.Client(db.url)
  await one.connect()
  t.teardown(() => one.end())
  return one
}

test('prune removes only expired sessions', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  t.equal(await store.prune(), 0)
  await fill(db, 3, -1, 'old')
  await fill(db, 2, 60, 'live')
  t.equal(await store.prune(), 3)
  t.match(await rows(db), [{ sid: 'live1' }, { sid: 'live2' }])
  t.equal(await store.prune(), 0)
})

for (const count of [1000, 2500]) {
  test(`prune removes ${count} expired sessions in batches of at most 1,000`, async (t) => {
    const db = await schema(t)
    const { store } = sessions(t, { conString: db.url })
    await store.createTable()
    await db.query(`CREATE TABLE batches (n int);
      CREATE FUNCTION note () RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO batches SELECT count(*) FROM removed; RETURN NULL; END';
      CREATE TRIGGER note AFTER DELETE ON session
        REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION note ()`)
    await fill(db, count, -1)
    await fill(db, 2, 60, 'live')
    t.equal(await store.prune(), count)
    const batches = (await db.query('SELECT n FROM batches')).map(({ n }) => Number(n))
    t.ok(batches.every((n) => n <= 1000))
    t.equal(batches.reduce((sum, n) => sum + n), count)
    t.equal((await rows(db)).length, 2)
  })
}

test('prune skips a locked row without waiting', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  await store.createTable()
  await fill(db, 3, -1)
  const locker = await client(t, db)
  await locker.query('BEGIN; SELECT FROM session WHERE sid = \'id2\' FOR UPDATE')
  const began = Date.now()
  t.equal(await store.prune(), 2)
  t.ok(Date.now() - began < 1000)
  t.match(await rows(db), [{ sid: 'id2' }])
  await locker.query('ROLLBACK')
  t.equal(await store.prune(), 1)
})

for (const [who, namesSchema] of [['another instance', false], ['an instance with schemaName', true]] as const) {
  test(`prune removes nothing while ${who} prunes`, async (t) => {
    const db = await schema(t)
    const [found] = namesSchema ? await db.query('SELECT current_schema() AS "schemaName"') : []
    const here = sessions(t, { conString: db.url }).store
    const there = sessions(t, { conString: db.url, ...found }).store
    await here.createTable()
    await fill(db, 1500, -1)
    const { held, release } = await hold(t, db)
    const removed = here.prune()
    await held()
    t.equal(await there.prune(), 0)
    await release()
    t.equal(await removed, 1500)
  })
}

test('concurrent prunes count each row once', async (t) => {
  const db = await schema(t)
  const stores = Array.from({ length: 4 }, () => sessions(t, { conString: db.url }).store)
  await Promise.all(stores.map((store) => store.createTable()))
  await fill(db, 2500, -1)
  const removed = await Promise.all(stores.map((store) => store.prune()))
  t.equal(removed.reduce((sum, n) => sum + n), 2500)
})

test('an instance that has pruned does not block the others', async (t) => {
  const db = await schema(t)
  const stores = [1, 2, 3].map(() => sessions(t, { pool: poolOf(t, db.url, { max: 1 }) }).store)
  for (const store of stores) {
    await store.createTable()
    await fill(db, 3, -1)
    t.equal(await store.prune(), 3)
  }
})

for (const what of ['another table', 'the same table in another schema']) {
  test(`a running prune does not block a prune of ${what}`, async (t) => {
    const db = await schema(t)
    const options = what === 'another table'
      ? { conString: db.url, tableName: 'other' }
      : { conString: (await schema(t)).url }
    const [here, there] = [sessions(t, { conString: db.url }), sessions(t, options)]
    await there.set('id', session({}, 0.001))
    await here.store.createTable()
    await fill(db, 3, -1)
    const { held, release } = await hold(t, db)
    const removed = here.store.prune()
    await held()
    t.equal(await there.store.prune(), 1)
    await release()
    t.equal(await removed, 3)
  })
}

test('concurrent calls in one store share one prune', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  await store.createTable()
  await fill(db, 10, -1)
  t.same(await Promise.all([store.prune(), store.prune()]), [10, 10])
})

test('expired sessions are pruned within the interval', async (t) => {
  const db = await schema(t)
  const waits = delays(t)
  const { store } = sessions(t, { conString: db.url, pruneSessionInterval: 0.5 })
  await store.createTable()
  for (let round = 1; round <= 2; round++) {
    await fill(db, 3, -1)
    await until(async () => (await rows(db)).length === 0)
  }
  t.ok(waits.length >= 2 && waits.every((ms) => ms <= 500), String(waits))
})

test('instances prune at different times within the interval', async (t) => {
  const waits = delays(t)
  for (let i = 0; i < 8; i++) sessions(t, { pool: new pg.Pool(), pruneSessionInterval: 1.5 })
  t.equal(waits.length, 8)
  t.equal(new Set(waits).size, 8)
  t.ok(waits.every((ms) => ms > 1125 && ms <= 1500), String(waits))
})

test('pruneSessionInterval false turns automatic pruning off', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  let queries = 0
  pool.on('acquire', () => { queries++ })
  sessions(t, { pool, pruneSessionInterval: false })
  await sleep(300)
  t.equal(queries, 0)
})

test('the longest interval does not overflow the timer', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  let queries = 0
  pool.on('acquire', () => { queries++ })
  sessions(t, { pool, pruneSessionInterval: 30 * 86_400 })
  await sleep(300)
  t.equal(queries, 0)
})

test('nothing is pruned after close', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const { store } = sessions(t, { pool, pruneSessionInterval: 0.5 })
  await store.createTable()
  await store.close()
  await fill(db, 3, -1)
  await sleep(700)
  t.equal((await rows(db)).length, 3)
})

test('nothing is pruned after close during an automatic batch', async (t) => {
  const db = await schema(t)
  await sessions(t, { conString: db.url }).store.createTable()
  await fill(db, 1, -1)
  const { held, release } = await hold(t, db)
  const { store } = sessions(t, { pool: poolOf(t, db.url), pruneSessionInterval: 0.1 })
  await held()
  const closing = store.close()
  await release()
  await closing
  await fill(db, 3, -1, 'late')
  await sleep(300)
  t.equal((await rows(db)).length, 3)
})

test('close waits for the running batch and starts no other', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { pool: poolOf(t, db.url) })
  await store.createTable()
  await fill(db, 2500, -1)
  const { held, release } = await hold(t, db)
  const pruned = store.prune()
  await held()
  const waits = delays(t)
  let isClosed = false
  const closing = store.close().then(() => { isClosed = true })
  await sleep(100)
  t.notOk(isClosed)
  await release()
  await closing
  t.same(waits, [], 'it ends with the batch, without a pause')
  t.equal(await pruned, 250)
  t.equal((await rows(db)).length, 2250)
})

test('the pause between batches exceeds a batch, up to one second', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url, { max: 1 })
  const { store } = sessions(t, { pool })
  await store.createTable()
  await fill(db, 1500, -1)
  await before(db, 'pg_sleep(0.4)')
  let [busy, rest, since, left] = [0, 0, 0, NaN]
  const waits = delays(t)
  pool.on('acquire', () => {
    since = performance.now()
    if (since - left > rest) rest = since - left
  })
  pool.on('release', () => {
    left = performance.now()
    busy += left - since
  })
  const began = performance.now()

  await store.prune()

  t.ok(busy < (performance.now() - began) / 2, `${busy} of ${performance.now() - began} ms`)
  t.ok(rest > 900, `${rest} ms after the slowest batch`)
  t.equal(Math.max(...waits), 1000)
})

test('close does not wait for the pause between batches', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { pool: poolOf(t, db.url) })
  await store.createTable()
  await fill(db, 2500, -1)
  await before(db, 'pg_sleep(0.4)')
  const pruned = store.prune()
  for (let left = 2500; left === 2500; left = (await rows(db)).length) await sleep(5)

  const began = performance.now()
  await store.close()

  t.ok(performance.now() - began < 300)
  t.equal(await pruned, 250)
})

test('a failure is logged and pruning continues', async (t) => {
  const db = await schema(t, { table: false })
  const { store, logged } = sessions(t, { conString: db.url, pruneSessionInterval: 0.1, createTableIfMissing: false })
  await until(() => logged.length >= 2)
  t.match(logged[0], { message: 'Could not prune expired sessions', error: { code: 'ERR_DATABASE' } })
  await store.createTable()
  await fill(db, 3, -1)
  await until(async () => (await rows(db)).length === 0)
  t.pass()
})

test('the prune timer does not keep the process alive', (t) => {
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const store = new PgSessionStore({ pool: new pg.Pool(), pruneSessionInterval: 60 })
  t.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before)
  t.end()
  void store.close()
})
