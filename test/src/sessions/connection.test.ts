import { setTimeout as sleep } from 'node:timers/promises'
import { test, t as file, type Test } from 'tap'
import { cuttingProxy } from '../../support/cutting-proxy.js'
import { database, type Database } from '../../support/database.js'
import { poolOf, session, sessions } from './harness.js'

file.jobs = 4 // these tests wait for time limits

const CONNECTIONS = 5

/** A store with several idle connections, which can be lost without a sign. */
async function losable (t: Test, db: Database, given: boolean) {
  const proxy = await cuttingProxy(t, db.url)
  // Without time limits, as an application may have it.
  const pool = given ? { pool: poolOf(t, proxy.url) } : { conString: proxy.url }
  const found = sessions(t, pool)
  await found.set('kept', session({ user: { sub: 'alice' } }))
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => found.length()))
  return { ...found, proxy }
}

async function timed<Value> (work: () => Promise<Value>): Promise<{ value: Value, ms: number }> {
  const began = performance.now()
  return { value: await work(), ms: performance.now() - began }
}

test('a read is repeated at once when the answers are garbage, and a write fails at once', async (t) => {
  const { set, load, proxy } = await losable(t, await database(t), false)
  proxy.garble()
  const first = await timed(() => load('kept'))
  t.match(first.value, { user: { sub: 'alice' } })
  t.ok(first.ms < 500, `${first.ms} ms`)
  proxy.garble()
  const write = await timed(() => set('new', session()).catch((error: unknown) => error))
  t.match(write.value, { code: 'ERR_DATABASE' })
  t.ok(write.ms < 500, `${write.ms} ms`)
  await set('new', session())
})

for (const given of [false, true]) {
  const pool = given ? 'a given pool' : 'the store\'s own pool'

  test(`a read is repeated when ${pool} has silently lost its connections`, async (t) => {
    const { load, get, all, length, store, proxy } = await losable(t, await database(t), given)
    proxy.lose()
    const first = await timed(() => load('kept'))
    t.match(first.value, { user: { sub: 'alice' } })
    t.ok(first.ms < 5000, `${first.ms} ms`)
    const [ping, list] = [() => store.ping(), () => store.listByUser('alice')]
    const reads = { get: () => get('kept'), all, length, ping, list }
    for (let i = 0; i < CONNECTIONS; i++) {
      for (const [name, read] of Object.entries<() => Promise<unknown>>(reads)) {
        const { ms } = await timed(read)
        t.ok(ms < 500, `${name} after ${ms} ms`)
      }
    }
  })

  test(`reads at the same moment are repeated when ${pool} has silently lost its connections`, async (t) => {
    const { all, length, store, load, proxy } = await losable(t, await database(t), given)
    proxy.lose()
    const { value: [one, sub], ms } = await timed(() => Promise.all([
      load('kept'), store.listByUser('alice'), all(), length(), store.ping(), store.createTable()
    ]))
    t.match([one, sub], [{ user: { sub: 'alice' } }, [{ session: {} }]])
    t.ok(ms < 5000, `${ms} ms`)
  })

  test(`a write is not repeated when ${pool} has silently lost its connections`, async (t) => {
    const { set, load, proxy } = await losable(t, await database(t), given)
    proxy.lose()
    const before = proxy.sent(/INSERT/)
    await t.rejects(set('new', session()), { code: 'ERR_DATABASE' })
    t.equal(proxy.sent(/INSERT/), before + 1)
    for (let i = 0; i < CONNECTIONS; i++) {
      const { ms } = await timed(() => set(`new ${i}`, session()))
      t.ok(ms < 500, `${ms} ms`)
    }
    t.match(await load('new 0'), {})
  })
}

/** Makes every later statement on this table take 2.7 s, for stores that have looked at it. */
async function slowDown (db: Database, table: string): Promise<void> {
  await db.query(`ALTER TABLE ${table} RENAME TO ${table}_rows`)
  await db.query(`CREATE VIEW ${table} AS SELECT sid, sess, expire FROM ${table}_rows, pg_sleep(2.7)`)
}

test('a read of 2.7 s succeeds, whether or not it is repeated', async (t) => {
  const db = await database(t)
  const { set, length } = sessions(t, { conString: db.url })
  await set('kept', session())
  await slowDown(db, 'session')
  t.equal(await length(), 1)
})

test('a connection that has answered meanwhile is used for the second attempt, and kept', async (t) => {
  const db = await database(t)
  const pool = poolOf(t, db.url, { max: 2 })
  const { length } = sessions(t, { pool })
  const slow = sessions(t, { pool, tableName: 'slow' })
  await Promise.all([length(), slow.length()])
  await slowDown(db, 'slow')
  const opened: unknown[] = []
  pool.on('connect', (client) => { opened.push(client) })

  const waiting = slow.length()
  for (let i = 0; i < 5; i++) {
    await sleep(100)
    await length()
  }
  t.equal(await waiting, 0)
  t.equal(opened.length, 0)
  t.equal(pool.totalCount, 1)
})
