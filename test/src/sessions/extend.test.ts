import { test } from 'tap'
import { about, age, pass, poolOf, rows, schema, session, sessions } from './harness.js'

const KEY = 'a test key of 32 bytes or more, for ids'

for (const hashIds of [false, KEY] as const) {
  const kind = hashIds === false ? 'plain ids' : 'hashed ids'

  test(`${kind}: extend moves the expiry although no touch is due`, async (t) => {
    const db = await schema(t)
    const { store, set, touch, load } = sessions(t, { pool: poolOf(t, db.url), hashIds, ttl: 900, touchInterval: 600 })
    await set('id', session({ user: 'alice' }))
    await pass(db, 100)
    const loaded = await load('id')
    await touch('id', loaded)
    t.ok(about((await rows(db))[0]?.left, 800))

    t.equal(await store.extend('id', loaded), true)

    const [row] = await rows(db)
    t.ok(about(row?.left, 900))
    t.ok(about(((store.expiresAt(loaded) ?? 0) - (store.databaseNow(loaded) ?? 0)) / 1000, 900))
    await set('id', Object.assign(loaded, { basket: 'full' }))
    t.match(await load('id'), { user: 'alice', basket: 'full' }, 'the session object goes on')
  })
}

test('extend does not move the expiry past the absolute lifetime, loaded or not', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, ttl: 900, absoluteTtl: 600 })
  for (const [n, sessionOf] of [() => load('0'), async () => session()].entries()) {
    await set(String(n), session())
    await pass(db, 300)
    t.equal(await store.extend(String(n), await sessionOf()), true)
    t.ok(about((await rows(db)).find(({ sid }) => sid === String(n))?.left, 600))
    await store.consume(String(n))
  }
})

test('extend gives a row under a legacy id the current one', async (t) => {
  const db = await schema(t)
  const plain = sessions(t, { conString: db.url })
  const { store, load } = sessions(t, { conString: db.url, hashIds: KEY })
  await plain.set('id', session({ user: 'alice' }))

  t.equal(await store.extend('id', await load('id')), true)

  t.match(await rows(db), [{ sid: /^h1\./ }])
  t.match(await load('id'), { user: 'alice' })
})

test('extend of a session that is not live is false and writes nothing', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url })
  await set('ended', session())
  await set('expired', session())
  const [ended, expired] = [await load('ended'), await load('expired')]
  await store.consume('ended')
  await age(db)
  const before = await rows(db)

  t.same(
    [await store.extend('ended', ended), await store.extend('expired', expired), await store.extend('h1.x', session())],
    [false, false, false]
  )
  t.same((await rows(db)).map(({ sid, xmin }) => [sid, xmin]), before.map(({ sid, xmin }) => [sid, xmin]))
})

test('isUpToDate tells whether set would find nothing to write', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { pool: poolOf(t, db.url), ttl: 900, touchInterval: 60 })
  await set('id', session({ user: 'alice' }))
  const loaded = await load('id')

  t.equal(store.isUpToDate('id', session({ user: 'alice' })), false, 'a new session')
  t.equal(store.isUpToDate('id', loaded), true)
  t.equal(store.isUpToDate('other', loaded), false, 'of another id')
  t.equal(store.isUpToDate('id', Object.assign(loaded, { basket: 'full' })), false, 'changed')
  const writing = set('id', loaded)
  t.equal(store.isUpToDate('id', loaded), false, 'a write is under way')
  await writing
  t.equal(store.isUpToDate('id', loaded), true, 'written')
  t.equal(store.isUpToDate('id', Object.assign(await load('id'), { n: 1n })), false, 'what cannot be stored')

  await pass(db, 100)
  t.equal(store.isUpToDate('id', await load('id')), false, 'a touch is due')
})

test('msSinceSeen tells how long ago a session was seen live', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const [{ store, set, load, touch, destroy }, other] = [
    sessions(t, { pool, touchInterval: 0.001, ttl: 900 }), sessions(t, { pool })
  ]
  for (const id of ['one', 'two', 'three', 'four', 'five']) await set(id, session({ user: { sub: id } }))
  const [one, two, three, four, five] = await Promise.all(['one', 'two', 'three', 'four', 'five'].map(load))
  if (!one || !two || !three || !four || !five) throw new Error('not stored')

  t.equal(store.msSinceSeen(session()), Infinity, 'a guest')
  t.ok(store.msSinceSeen(one) < 5000)
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.ok(store.msSinceSeen(one) > 45)
  await touch('one', one)
  t.ok(store.msSinceSeen(one) < 45, 'a write has seen it')
  const ending = [destroy('one'), store.consume('two'), store.replace('new', session(), ['three'])]
  t.same([one, two, three].map((ended) => store.msSinceSeen(ended)), [Infinity, Infinity, Infinity])
  await Promise.all(ending)
  await store.destroyByUser('four')
  t.equal(store.msSinceSeen(four), Infinity)
  await other.destroy('five')
  t.ok(store.msSinceSeen(five) < 5000, 'another process ended it')
  await touch('five', five)
  t.equal(store.msSinceSeen(five), Infinity, 'the write has found out')
})
