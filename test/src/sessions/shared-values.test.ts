import { test, type Test } from 'tap'
import { about, age, poolOf, rows, schema, session, sessions } from './harness.js'

const KEY = 'a test key of 32 bytes or more, for ids'
const NAME = 'keys'

async function open (t: Test, hashIds: string | false = KEY) {
  const db = await schema(t)
  const [one, other] = [sessions(t, { conString: db.url, hashIds }), sessions(t, { pool: poolOf(t, db.url), hashIds })]
  return { db, one, other }
}

test('a shared value is read by every process, until it expires', async (t) => {
  const { db, one, other } = await open(t)
  t.match(await one.store.sharedValue(NAME), { value: null })

  t.equal(await one.store.replaceSharedValue(NAME, { from: null, to: 'first "value" \\', ttl: 3600 }), true)

  const read = await other.store.sharedValue(NAME)
  t.equal(read.value, 'first "value" \\')
  t.ok(about(read.nowMs / 1000, Date.now() / 1000))
  t.ok(about((await rows(db))[0]?.left, 3600))
  t.match(await other.store.sharedValue('another name'), { value: null })
  await age(db)
  t.equal((await other.store.sharedValue(NAME)).value, null)
  t.equal(await one.store.prune(), 1)
})

test('of many processes that replace the same shared value, one succeeds', async (t) => {
  const { one, other } = await open(t)
  for (const from of [null, 'winner']) {
    const results = await Promise.all(Array.from({ length: 20 }, async (_, index) => {
      const to = from === null ? 'winner' : `value ${index}`
      return (index % 2 === 0 ? one : other).store.replaceSharedValue(NAME, { from, to, ttl: 60 })
    }))
    t.equal(results.filter((written) => written).length, 1)
  }
  t.match(await one.store.sharedValue(NAME), { value: /^value \d+$/ })
})

test('a shared value is replaced only from what it is, or when it has expired', async (t) => {
  const { db, one } = await open(t)
  const { store } = one
  await store.replaceSharedValue(NAME, { from: null, to: 'a', ttl: 60 })

  t.equal(await store.replaceSharedValue(NAME, { from: null, to: 'b', ttl: 60 }), false)
  t.equal(await store.replaceSharedValue(NAME, { from: 'x', to: 'b', ttl: 60 }), false)
  t.equal((await store.sharedValue(NAME)).value, 'a')
  t.equal(await store.replaceSharedValue(NAME, { from: 'a', to: 'b', ttl: 60 }), true)
  await age(db)
  t.equal(await store.replaceSharedValue(NAME, { from: null, to: 'c', ttl: 60 }), true)
  t.equal((await store.sharedValue(NAME)).value, 'c')
})

test('a row of a shared value that holds none is replaced', async (t) => {
  const { db, one } = await open(t)
  await one.store.replaceSharedValue(NAME, { from: null, to: 'a', ttl: 60 })
  await db.query('UPDATE session SET sess = \'{"other":1}\'')

  t.equal((await one.store.sharedValue(NAME)).value, null)
  t.equal(await one.store.replaceSharedValue(NAME, { from: null, to: 'b', ttl: 60 }), true)
  t.equal((await one.store.sharedValue(NAME)).value, 'b')
})

for (const hashIds of [false, KEY] as const) {
  test(`a shared value is no session (${hashIds === false ? 'plain' : 'hashed'} ids)`, async (t) => {
    const { db, one } = await open(t, hashIds)
    const { store, all, length, get, set, clear } = one
    await set('id', session({ user: { sub: 'alice' } }))
    await store.replaceSharedValue(NAME, { from: null, to: 'alice', ttl: 60 })

    t.equal((await all()).length, 1)
    t.equal(await length(), 1)
    t.equal((await store.listByUser('alice')).length, 1)
    t.equal(await get(`shared.${NAME}`), null)
    t.equal(await store.consume(`shared.${NAME}`), null)
    t.equal(await store.endReason(`shared.${NAME}`), null)
    await set(`shared.${NAME}`, session({ user: { sub: 'mallory' } })).catch(() => {})
    t.equal(await store.destroyByUser('alice'), 1)
    t.equal((await store.sharedValue(NAME)).value, 'alice')
    await clear()
    t.same(await rows(db), [])
    t.equal((await store.sharedValue(NAME)).value, null)
  })
}

test('a shared value works with prepared statements, and where the table is missing', async (t) => {
  const db = await schema(t, { table: false })
  const { store } = sessions(t, { conString: db.url, preparedStatements: true })
  for (const [from, to] of [[null, 'a'], ['a', 'b'], ['b', 'c']] as const) {
    t.equal(await store.replaceSharedValue(NAME, { from, to, ttl: 60 }), true)
    t.equal((await store.sharedValue(NAME)).value, to)
  }
})

test('a shared value fails with ERR_DATABASE while PostgreSQL is away', async (t) => {
  const { store } = sessions(t, { conString: 'postgres://user@127.0.0.1:1/none' })
  await t.rejects(store.sharedValue(NAME), { code: 'ERR_DATABASE' })
  await t.rejects(store.replaceSharedValue(NAME, { from: null, to: 'a', ttl: 60 }), { code: 'ERR_DATABASE' })
})
