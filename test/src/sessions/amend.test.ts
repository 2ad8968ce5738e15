import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { test, type Test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/index.js'
import { testTable } from '../../support/tables.js'
import { age, poolOf, rows, schema, session, sessions } from './harness.js'

async function open (t: Test) {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const [one, other] = [sessions(t, { pool, absoluteTtl: 3600 }), sessions(t, { pool, absoluteTtl: 3600 })]
  return { db, pool, one: one.store, other: other.store }
}

/** `jsonb` takes neither of them. */
const ODD = testTable === 'jsonb' ? '"\\' : '\u0000 \ud800'

const add = (store: PgSessionStore, id = 'id') =>
  store.amend(id, (session) => ({ ...session, count: Number(session.count ?? 0) + 1 }))

test('amend changes a live session, and keeps its expiry', async (t) => {
  const { db, one, other } = await open(t)
  await one.promises.set('id', session({ a: ODD, count: 1 }, 600))
  await age(db, -300)
  const [before] = await rows(db)
  t.equal(await add(one), true)
  t.match(await other.promises.get('id'), { a: ODD, count: 2 })
  const [after] = await rows(db)
  t.ok(Math.abs((after?.left ?? 0) - (before?.left ?? 0)) < 2)
})

test('of concurrent amendments by several processes, each sees the one before it', async (t) => {
  const { one, other } = await open(t)
  await one.promises.set('id', session())
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 10 }, (_, index) => add(index % 2 === 0 ? one : other)))
  }
  t.match(await one.promises.get('id'), { count: 30 })
})

test('an amendment to null writes nothing, and sees what another process wrote', async (t) => {
  const { db, one, other } = await open(t)
  await one.promises.set('id', session())
  await add(one)
  await add(other)
  const before = await rows(db)
  const seen: unknown[] = []
  t.equal(await one.amend('id', ({ count }) => {
    seen.push(count)
    return null
  }), true)
  t.equal(seen.at(-1), 2, 'in the end as it is now')
  t.equal((await rows(db))[0]?.xmin, before[0]?.xmin)
})

test('amend brings no session back', async (t) => {
  const { db, one, other } = await open(t)
  t.equal(await add(one), false, 'there never was one')
  await one.promises.set('id', session())
  await add(one)
  await other.promises.destroy('id')
  t.equal(await add(one), false, 'destroyed by another process')
  t.same(await rows(db), [])
  await one.promises.set('idle', session())
  await add(one, 'idle')
  await age(db)
  t.equal(await add(one, 'idle'), false, 'expired')
})

test('amend changes no session whose absolute lifetime is over, though its row lives on', async (t) => {
  const { pool, one } = await open(t)
  const brief = sessions(t, { pool, absoluteTtl: 1 }).store
  await one.promises.set('id', session())
  await sleep(1100)
  t.equal(await add(brief), false)
  t.match(await one.promises.get('id'), { count: undefined })
})

test('an amendment is told the present time, also of a session that this process remembers', async (t) => {
  const { one } = await open(t)
  await one.promises.set('id', session())
  const times: number[] = []
  const tell = () => one.amend('id', (session, { databaseNow }) => ({ ...session, count: times.push(databaseNow) }))
  await tell()
  await sleep(300)
  await tell()
  t.ok(Number(times[1]) - Number(times[0]) >= 290, times.join())
})

test('what amend throws changes nothing', async (t) => {
  const { one } = await open(t)
  await one.promises.set('id', session({ a: 1 }))
  await t.rejects(one.amend('id', () => { throw new Error('no') }), { message: 'no' })
  await t.rejects(one.amend('id', (session) => ({ ...session, a: 1n })), { code: 'ERR_SESSION_VALUE' })
  t.match(await one.promises.get('id'), { a: 1 })
  t.equal(await add(one), true)
})

/** How many statements the clients of a pool have had since it was last asked. */
function counting (pool: pg.Pool): () => number {
  let statements = 0
  const counted = new WeakSet<object>()
  pool.on('acquire', (client) => {
    if (counted.has(client)) return
    counted.add(client)
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    Object.assign(client, { query: (...args: unknown[]) => {
      statements++
      return query(...args)
    } })
  })
  return () => {
    const count = statements
    statements = 0
    return count
  }
}

test('amend costs two statements, and one where this process wrote the session last', async (t) => {
  const { pool, one, other } = await open(t)
  await one.promises.set('id', session())
  await other.promises.get('id') // which looks at the table
  const statements = counting(pool)
  for (const [store, expected] of [[one, 2], [one, 1], [other, 2], [one, 2], [one, 1]] as const) {
    await add(store)
    t.equal(statements(), expected)
  }
})

test('a process remembers the last 500 sessions that it has amended, and no more', async (t) => {
  const { pool, one } = await open(t)
  const ids = Array.from({ length: 501 }, (_, index) => `id ${index}`)
  await Promise.all(ids.map((id) => one.promises.set(id, session())))
  for (const id of ids) await add(one, id)
  const statements = counting(pool)
  for (const [id, expected] of [['id 500', 1], ['id 1', 1], ['id 0', 2]] as const) {
    await add(one, id)
    t.equal(statements(), expected, id)
  }
})
