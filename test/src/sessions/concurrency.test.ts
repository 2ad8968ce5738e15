import { test } from 'tap'
import { poolOf, schema, sessions } from './harness.js'

const cookie = () => ({ expires: new Date(Date.now() + 60_000), originalMaxAge: 60_000 })

test('Two requests that changed different keys both keep their change', async (t) => {
  const db = await schema(t)
  const [one, other] = [sessions(t, { pool: poolOf(t, db.url) }), sessions(t, { pool: poolOf(t, db.url) })]
  await one.set('id', { cookie: cookie(), base: 1, doomed: 1 })
  const [first, second] = [await one.load('id'), await other.load('id')]

  first.one = 'kept'
  delete first.doomed
  second.other = 'kept'
  await one.set('id', first)
  await other.set('id', second)

  const { cookie: _, ...rest } = await one.load('id')
  t.match(rest, { base: 1, one: 'kept', other: 'kept' })
  t.notOk('doomed' in rest)
  t.same(other.store.conflicts, { merged: 1, overwritten: 0 })
  t.match(other.logged, [{ message: /both changes were kept/ }])
})

test('On the same key the later write wins, counted and logged', async (t) => {
  const db = await schema(t)
  const [one, other] = [sessions(t, { pool: poolOf(t, db.url) }), sessions(t, { pool: poolOf(t, db.url) })]
  await one.set('id', { cookie: cookie(), count: 1 })
  const [first, second] = [await one.load('id'), await other.load('id')]

  first.count = 2
  second.count = 3
  await one.set('id', first)
  await other.set('id', second)

  t.match(await one.load('id'), { count: 3 })
  t.same(other.store.conflicts, { merged: 1, overwritten: 1 })
  t.match(other.logged, [{ message: /the later one was kept of count/ }])
})

test('A session that was merged and is changed again in the same request keeps the others\' keys', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', { cookie: cookie() })
  const [first, second] = [await load('id'), await load('id')]
  first.one = 1
  await set('id', first)
  second.other = 1
  await set('id', second)

  second.again = 1
  await set('id', second)

  t.match(await load('id'), { one: 1, other: 1, again: 1 })
})

test('Of 16 requests in two stores that each add a key at once, none is lost', async (t) => {
  const db = await schema(t)
  const stores = [sessions(t, { pool: poolOf(t, db.url) }), sessions(t, { pool: poolOf(t, db.url) })]
  await stores[0]?.set('id', { cookie: cookie() })
  const loaded = await Promise.all(Array.from({ length: 16 }, async (_, i) => stores[i % 2]?.load('id')))

  loaded.forEach((session, i) => { if (session !== undefined) session[`key${i}`] = i })
  await Promise.all(loaded.map(async (session, i) => stores[i % 2]?.set('id', session ?? {})))

  const found = await stores[1]?.load('id')
  t.equal(Object.keys(found ?? {}).filter((key) => key.startsWith('key')).length, 16)
})

test('A change is dropped, not inserted, when the session was ended while it was merged', async (t) => {
  const db = await schema(t)
  const { set, load, destroy, get } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', { cookie: cookie() })
  const sessions_ = await Promise.all(Array.from({ length: 8 }, () => load('id')))
  sessions_.forEach((session, i) => { session[`key${i}`] = i })

  await Promise.all([...sessions_.map((session) => set('id', session)), destroy('id')])

  t.equal(await get('id'), null)
})

test('Calls of one moment are one statement', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const { store, set, get, touch, destroy } = sessions(t, { pool, touchInterval: 0.001 })
  await store.createTable()
  let statements = 0
  pool.on('acquire', () => { statements++ })
  const ids = Array.from({ length: 100 }, (_, i) => `id${i}`)
  const counted = async (work: () => Promise<unknown>) => {
    const before = statements
    await work()
    return statements - before
  }

  t.ok(await counted(() => Promise.all(ids.map((id) => set(id, { cookie: cookie(), id })))) <= 3)
  t.ok(await counted(() => Promise.all(ids.map((id) => get(id)))) <= 2)
  const loaded = (await Promise.all(ids.map((id) => get(id)))).map((session) => session ?? {})
  t.same(loaded.map(({ id }) => id), ids, 'each gets its own')
  await new Promise((resolve) => { setTimeout(resolve, 10) })
  t.ok(await counted(() => Promise.all(loaded.map((session, i) => touch(`id${i}`, { ...session, cookie: cookie() })))) <= 2)
  // A touch since they were loaded would cost each a statement of its own.
  const again = (await Promise.all(ids.map((id) => get(id)))).map((session) => session ?? {})
  again.forEach((session) => { session.changed = true })
  t.ok(await counted(() => Promise.all(again.map((session, i) => set(`id${i}`, session)))) <= 3)
  t.ok(await counted(() => Promise.all(ids.map((id) => destroy(id)))) <= 2)
  t.same(await Promise.all(ids.map((id) => get(id))), ids.map(() => null))
})

test('Many callers of one session get an object each', async (t) => {
  const db = await schema(t)
  const { set, get } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', { cookie: cookie(), list: [1] })

  const found = await Promise.all(Array.from({ length: 10 }, () => get('id')))

  t.equal(new Set(found).size, 10)
  ;(found[0]?.list as number[]).push(2)
  t.same(found[1]?.list, [1])
})

test('Two stores that write the same sessions in opposite orders do not deadlock', async (t) => {
  const db = await schema(t)
  const [one, other] = [sessions(t, { pool: poolOf(t, db.url), touchInterval: 0.001 }), sessions(t, { pool: poolOf(t, db.url), touchInterval: 0.001 })]
  const ids = Array.from({ length: 60 }, (_, i) => `id${i}`)
  await Promise.all(ids.map((id) => one.set(id, { cookie: cookie() })))

  for (let round = 0; round < 5; round++) {
    const [mine, theirs] = await Promise.all([Promise.all(ids.map((id) => one.load(id))), Promise.all(ids.map((id) => other.load(id)))])
    await Promise.all([
      ...ids.map((id, i) => { const session = mine[i] ?? {}; session.one = round; return one.set(id, session) }),
      ...ids.map((_, i) => ids.length - 1 - i).map((i) => { const session = theirs[i] ?? {}; session.other = round; return other.set(ids[i] ?? '', session) })
    ])
  }

  t.match(await one.load('id0'), { one: 4, other: 4 })
  t.match(await one.load('id59'), { one: 4, other: 4 })
})
