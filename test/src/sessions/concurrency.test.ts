import { test } from 'tap'
import { about, poolOf, rows, schema, session, sessions } from './harness.js'

const cookie = () => ({ expires: new Date(Date.now() + 60_000), originalMaxAge: 60_000 })

test('Changes of two requests to different keys are both kept', async (t) => {
  const db = await schema(t)
  const [one, other] = [
    sessions(t, { pool: poolOf(t, db.url) }),
    sessions(t, { pool: poolOf(t, db.url) })
  ]
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
  t.match(other.logged, [{ message: /^Merged concurrent changes to a session$/ }])
})

test('The later write to the same key wins, and is counted and logged', async (t) => {
  const db = await schema(t)
  const [one, other] = [
    sessions(t, { pool: poolOf(t, db.url) }),
    sessions(t, { pool: poolOf(t, db.url) })
  ]
  await one.set('id', { cookie: cookie(), count: 1 })
  const [first, second] = [await one.load('id'), await other.load('id')]

  first.count = 2
  second.count = 3
  await one.set('id', first)
  await other.set('id', second)

  t.match(await one.load('id'), { count: 3 })
  t.same(other.store.conflicts, { merged: 1, overwritten: 1 })
  t.match(other.logged, [{ message: /the later change won for count$/ }])
})

for (const touched of [false, true]) {
  test(`A merged session keeps all keys when ${touched ? 'touched and ' : ''}changed again`, async (t) => {
    const db = await schema(t)
    const { store, set, load, touch } = sessions(t, {
      pool: poolOf(t, db.url), touchInterval: 0.001
    })
    await set('id', { cookie: cookie() })
    const [first, second] = [await load('id'), await load('id')]
    first.one = 1
    await set('id', first)
    second.other = 1
    await set('id', second)

    if (touched) {
      second.cookie = { ...cookie(), expires: new Date(Date.now() + 30_000) }
      await touch('id', second)
      t.ok(about((await rows(db))[0]?.left, 30))
    }
    second.again = 1
    await set('id', second)

    t.match(await load('id'), { one: 1, other: 1, again: 1 })
    t.same(store.conflicts, { merged: 1, overwritten: 0 }, 'no other request changed it since')
  })
}

test('Concurrent changes of 16 requests in two stores are all kept', async (t) => {
  const db = await schema(t)
  const stores = [
    sessions(t, { pool: poolOf(t, db.url) }),
    sessions(t, { pool: poolOf(t, db.url) })
  ]
  await stores[0]?.set('id', { cookie: cookie() })
  const loaded = await Promise.all(
    Array.from({ length: 16 }, async (_, i) => stores[i % 2]?.load('id'))
  )

  loaded.forEach((session, i) => { if (session !== undefined) session[`key${i}`] = i })
  await Promise.all(loaded.map(async (session, i) => stores[i % 2]?.set('id', session ?? {})))

  const found = await stores[1]?.load('id')
  t.equal(Object.keys(found ?? {}).filter((key) => key.startsWith('key')).length, 16)
})

test('A change is dropped, not inserted, if its session ends meanwhile', async (t) => {
  const db = await schema(t)
  const { set, load, destroy, get } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', { cookie: cookie() })
  const sessions_ = await Promise.all(Array.from({ length: 8 }, () => load('id')))
  sessions_.forEach((session, i) => { session[`key${i}`] = i })

  await Promise.all([...sessions_.map((session) => set('id', session)), destroy('id')])

  t.equal(await get('id'), null)
})

test('Simultaneous calls share one statement, or two with two in flight', async (t) => {
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
  t.same(loaded.map(({ id }) => id), ids, 'each caller gets its own session')
  await new Promise((resolve) => { setTimeout(resolve, 10) })
  t.ok(await counted(() => Promise.all(
    loaded.map((session, i) => touch(`id${i}`, { ...session, cookie: cookie() }))
  )) <= 2)
  // A touch after loading would cost each change its own statement.
  const again = (await Promise.all(ids.map((id) => get(id)))).map((session) => session ?? {})
  again.forEach((session) => { session.changed = true })
  t.ok(await counted(() => Promise.all(again.map((session, i) => set(`id${i}`, session)))) <= 3)
  t.ok(await counted(() => Promise.all(ids.map((id) => destroy(id)))) <= 2)
  t.same(await Promise.all(ids.map((id) => get(id))), ids.map(() => null))
})

test('One statement destroys many sessions with hashed ids', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const ids = Array.from({ length: 100 }, (_, i) => `id${i}`)
  const { store, set, get, destroy } = sessions(t, {
    pool, hashIds: 'a key of 32 bytes or more, for hashed ids'
  })
  await store.createTable()
  await sessions(t, { pool }).set('id0', { cookie: cookie() }) // a row with a legacy id
  await Promise.all(ids.map((id) => set(id, { cookie: cookie() })))
  let statements = 0
  pool.on('acquire', () => { statements++ })

  await Promise.all([...ids, 'unknown'].map((id) => destroy(id)))

  t.ok(statements <= 2, `${statements}`)
  t.same(await Promise.all(ids.map((id) => get(id))), ids.map(() => null))
  t.same(await rows(db), [])
})

test('Simultaneous calls for a session take effect in order', async (t) => {
  const db = await schema(t)
  const { set, load, touch } = sessions(t, { pool: poolOf(t, db.url) })
  await Promise.all([1, 2, 3].map((n) => set('id', session({ n }, 600))))
  t.match(await load('id'), { n: 3 })
  await Promise.all([1000, 3000, 2000].map((seconds) => touch('id', session({}, seconds))))
  t.ok(about((await rows(db))[0]?.left, 2000))
  const loaded = [await load('id'), await load('id')]
  await Promise.all(loaded.map((one, n) => set('id', Object.assign(one, { n }))))
  t.match(await load('id'), { n: 1 })
})

test('Each simultaneous call gets the expiry of its own row', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const { store, set, load, touch } = sessions(t, { pool })
  const own = (one: { cookie?: unknown }, i: number, seconds: number) => {
    one.cookie = {
      originalMaxAge: seconds * 1000,
      expires: new Date(Date.now() + seconds * (i + 1) * 1000)
    }
    return one
  }
  const known = (all: object[]) =>
    all.map((one) => Math.round(((store.expiresAt(one) ?? 0) - Date.now()) / 10_000))
  const fresh = [0, 1, 2].map((i) => own({}, i, 1000))
  await Promise.all(fresh.map((one, i) => set(`id${i}`, one)))
  t.same(known(fresh), [100, 200, 300])
  const loaded = await Promise.all(fresh.map((_, i) => load(`id${i}`)))
  await Promise.all(loaded.map((one, i) => touch(`id${i}`, own(one, i, 2000))))
  t.same(known(loaded), [200, 400, 600])
  let statements = 0
  pool.on('acquire', () => { statements++ })
  for (const seconds of [3000, 4000]) {
    await Promise.all(loaded.map((one, i) => set(`id${i}`, own(one, i, seconds))))
    t.same(known(loaded), [1, 2, 3].map((n) => n * seconds / 10))
  }
  t.equal(statements, 2)
})

test('Each caller of get receives its own session object', async (t) => {
  const db = await schema(t)
  const { set, get } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', { cookie: cookie(), list: [1] })

  const found = await Promise.all(Array.from({ length: 10 }, () => get('id')))

  t.equal(new Set(found).size, 10)
  const list = found[0]?.list as number[]
  list.push(2)
  t.same(found[1]?.list, [1])
})

test('A touch does not wait for a locked row', async (t) => {
  const db = await schema(t)
  const { set, touch } = sessions(t, { pool: poolOf(t, db.url) })
  for (const id of ['free', 'locked']) await set(id, session({}, 600))
  const locker = await poolOf(t, db.url).connect()
  await locker.query('BEGIN; SELECT FROM session WHERE sid = \'locked\' FOR UPDATE')
  const began = performance.now()
  await Promise.all(['free', 'locked'].map((id) => touch(id, session({}, 1800))))
  t.ok(performance.now() - began < 2000)
  await locker.query('ROLLBACK')
  locker.release()
  t.same((await rows(db)).map(({ left }) => about(left, 1800)), [true, false])
})

test('Two stores that write sessions in opposite order do not deadlock', async (t) => {
  const db = await schema(t)
  const [one, other] = [
    sessions(t, { pool: poolOf(t, db.url), touchInterval: 0.001 }),
    sessions(t, { pool: poolOf(t, db.url), touchInterval: 0.001 })
  ]
  const ids = Array.from({ length: 60 }, (_, i) => `id${i}`)
  await Promise.all(ids.map((id) => one.set(id, { cookie: cookie() })))

  for (let round = 0; round < 5; round++) {
    const [mine, theirs] = await Promise.all([
      Promise.all(ids.map((id) => one.load(id))),
      Promise.all(ids.map((id) => other.load(id)))
    ])
    await Promise.all([
      ...ids.map((id, i) => {
        const session = mine[i] ?? {}
        session.one = round
        return one.set(id, session)
      }),
      ...ids.map((_, i) => ids.length - 1 - i).map((i) => {
        const session = theirs[i] ?? {}
        session.other = round
        return other.set(ids[i] ?? '', session)
      })
    ])
  }

  t.match(await one.load('id0'), { one: 4, other: 4 })
  t.match(await one.load('id59'), { one: 4, other: 4 })
})
