import { test } from 'tap'
import { age, poolOf, rows, schema, session, sessions } from './harness.js'

test('replace inserts the new session and returns the former ones', async (t) => {
  const db = await schema(t)
  const { store, load, set, get } = sessions(t, { pool: poolOf(t, db.url), absoluteTtl: 3600 })
  await set('first', session({ user: { sub: 'alice' } }))
  await set('second', session({ user: { sub: 'bob' } }))
  await set('third', session({ user: { sub: 'carol' } }))

  const created = session({ user: { sub: 'dave' } }, 900)
  const ended = await store.replace('new', created, ['second', 'unknown', 'first'])

  t.match(ended, [{ user: { sub: 'bob' } }, null, { user: { sub: 'alice' } }])
  t.equal(await get('first'), null)
  t.equal(await get('second'), null)
  t.match(await load('third'), { user: { sub: 'carol' } })
  t.match(await load('new'), { user: { sub: 'dave' } })
  t.type(store.createdAt(created), 'number')
  t.equal(store.createdAt(await load('new')), store.createdAt(created))
  t.ok(store.isStored(created))

  created.changed = true
  await set('new', created)
  t.match(await load('new'), { changed: true })
  t.same(store.conflicts, { merged: 0, overwritten: 0 }, 'the store knew the version of the new row')
})

test('replace without former sessions is an insert', async (t) => {
  const db = await schema(t)
  const { store, load } = sessions(t, { pool: poolOf(t, db.url) })
  t.same(await store.replace('new', session({ a: 1 }), []), [])
  t.match(await load('new'), { a: 1 })
})

test('replace removes an expired session without returning it', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  await set('old', session({ user: { sub: 'alice' } }))
  await age(db)
  t.same(await store.replace('new', session(), ['old']), [null])
  t.same((await rows(db)).map(({ sid }) => sid), ['new'])
})

test('only one of two concurrent replaces gets the former session', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  await set('old', session({ user: { sub: 'alice' } }))
  const outcomes = await Promise.all(['one', 'two'].map((id) => store.replace(id, session(), ['old'])))
  t.equal(outcomes.flat().filter((one) => one !== null).length, 1)
  t.same((await rows(db)).map(({ sid }) => sid), ['one', 'two'])
})

test('a replace that cannot insert ends nothing', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await set('old', session({ user: { sub: 'alice' } }))
  await t.rejects(store.replace('new', session({ big: 1n }), ['old']), { code: 'ERR_SESSION_VALUE' })
  await t.rejects(store.replace('', session(), ['old']), { code: 'ERR_SESSION_VALUE' })

  await db.query('ALTER TABLE session ADD CHECK (sess::json ->> \'refused\' IS NULL)')
  await t.rejects(store.replace('new', session({ refused: true }), ['old']), { code: 'ERR_DATABASE' })
  t.match(await load('old'), { user: { sub: 'alice' } })
})

test('replace with hashed ids finds a session under its legacy id', async (t) => {
  const db = await schema(t)
  const plain = sessions(t, { pool: poolOf(t, db.url) })
  await plain.set('old', session({ user: { sub: 'alice' } }))
  const { store, load } = sessions(t, { pool: poolOf(t, db.url), hashIds: 'k'.repeat(32) })
  t.match(await store.replace('new', session({ a: 1 }), ['old']), [{ user: { sub: 'alice' } }])
  t.match(await load('new'), { a: 1 })
  t.same((await rows(db)).map(({ sid }) => sid.slice(0, 3)), ['h1.'])
})

test('put stores data for its own ttl, and consume returns it once', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { pool: poolOf(t, db.url), ttl: 5, absoluteTtl: 10 })
  await store.put('login', { state: 's', nonce: 'n' }, 600)
  const [row] = await rows(db)
  t.ok(Math.abs((row?.left ?? 0) - 600) < 5)
  t.notMatch(row?.sess, /created/)

  t.match(await store.consume('login'), { state: 's', nonce: 'n' })
  t.equal(await store.consume('login'), null)
})

test('put refuses an unstorable value and an invalid id', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { pool: poolOf(t, db.url) })
  await t.rejects(store.put('login', { big: 1n }, 600), { code: 'ERR_SESSION_VALUE' })
  await t.rejects(store.put('', { state: 's' }, 600), { code: 'ERR_SESSION_VALUE' })
  t.equal(await store.promises.length(), 0)
})

test('store.promises mirrors the callback methods', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { pool: poolOf(t, db.url) })
  const { promises } = store
  t.equal(await promises.get('id'), null)
  await promises.set('id', session({ a: 1 }))
  await promises.touch('id', session({}, 900))
  t.match(await promises.get('id'), { a: 1 })
  t.match(await promises.all(), [{ a: 1 }])
  t.equal(await promises.length(), 1)
  await promises.destroy('id')
  t.equal(await promises.length(), 0)
  await promises.clear()
  await t.rejects(promises.set('id', session({ big: 1n })), { code: 'ERR_SESSION_VALUE' })
  await db.query('ALTER TABLE session RENAME COLUMN sess TO other')
  await t.rejects(promises.get('id'), { code: 'ERR_DATABASE', statusCode: 503 })
})
