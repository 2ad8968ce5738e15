import { test } from 'tap'
import { about, age, pass, poolOf, rows, schema, session, sessions } from './harness.js'

const KEY = 'a test key of 32 bytes or more, for ids'
const OLD_KEY = 'an older test key of 32 bytes or more'

test('A viewer shows live sessions, and makes a view once for each version of the row', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, ttl: 900, hashIds: KEY })
  let calls = 0
  const view = store.viewer(({ user }) => {
    calls++
    return { user }
  })
  await set('id', session({ user: 'alice' }))

  const [one, other] = [await view('id'), await view('id')]

  t.equal(one?.view, other?.view)
  t.same([one?.view, calls], [{ user: 'alice' }, 1])
  t.ok(about(((one?.expiresAt ?? 0) - (one?.databaseNow ?? 0)) / 1000, 900))
  await set('id', Object.assign(await load('id'), { user: 'bob' }))
  t.same([(await view('id'))?.view, calls], [{ user: 'bob' }, 2])
  await db.query('UPDATE session SET sess = \'{"cookie":{},"user":"eve"}\'')
  t.same([(await view('id'))?.view, calls], [{ user: 'eve' }, 3])
})

test('A viewer writes nothing', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url, ttl: 900, touchInterval: 1 })
  await set('id', session({ user: 'alice' }))
  await pass(db, 300)
  const before = await rows(db)

  await store.viewer(() => 1)('id')

  t.match(await rows(db), before.map(({ sid, sess, xmin }) => ({ sid, sess, xmin })))
})

test('A viewer shows nothing of a session that is not live, and of a row that holds none', async (t) => {
  const db = await schema(t)
  const { store, set, logged } = sessions(t, { conString: db.url, ttl: 900, absoluteTtl: 1800 })
  const view = store.viewer(() => 1)
  for (const id of ['expired', 'ended', 'beyond', 'broken']) {
    await set(id, session())
    t.equal((await view(id))?.view, 1)
  }
  await age(db, 1, 'expired')
  await store.consume('ended')
  await db.query(`UPDATE session SET expire = expire + interval '1 day', sess = jsonb_set(
    sess::jsonb, '{~store,created}', to_jsonb((sess::json -> '~store' ->> 'created')::bigint - 1900000))
    WHERE sid = 'beyond'`)
  await db.query('UPDATE session SET sess = \'[]\' WHERE sid = \'broken\'')

  for (const id of ['expired', 'ended', 'beyond', 'broken', 'never', '', 'h1.x', 'a\0b']) {
    t.equal(await view(id), null, JSON.stringify(id))
  }
  t.match(logged, [{ message: /does not hold a session/ }])
})

test('A viewer sees the writes of its store that are under way', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url })
  const view = store.viewer(({ user }) => user)
  await store.createTable()
  const client = await poolOf(t, db.url).connect()
  await client.query('BEGIN; LOCK TABLE session IN SHARE MODE')
  const writing = set('id', session({ user: 'alice' }))

  const viewing = view('id')
  await new Promise((resolve) => { setTimeout(resolve, 200) })
  await client.query('COMMIT')
  client.release()

  t.equal((await viewing)?.view, 'alice')
  await writing
})

test('A viewer has the public id of listByUser, which is no session id', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, hashIds: KEY })
  await set('id', session({ user: { sub: 'alice' } }))
  const seen = await store.viewer(() => 1)('id')

  t.equal(seen?.publicId, (await store.listByUser('alice'))[0]?.id)
  t.equal(seen?.publicId, store.publicId(await load('id')))
  t.equal(store.publicId(session()), undefined)
  t.equal(await store.promises.get(seen?.publicId ?? ''), null)
})

test('A viewer finds a row under a legacy id', async (t) => {
  const db = await schema(t)
  const former = sessions(t, { conString: db.url, hashIds: OLD_KEY })
  const { store } = sessions(t, { conString: db.url, hashIds: [KEY, OLD_KEY] })
  await former.set('id', session({ user: { sub: 'alice' } }))

  const seen = await store.viewer(({ user }) => user)('id')

  t.same(seen?.view, { sub: 'alice' })
  t.equal(seen?.publicId, (await store.listByUser('alice'))[0]?.id)
  t.equal(seen?.isUpToDate, false, 'the row moves to the first key when the session is used')
})

test('A viewer fails with ERR_DATABASE, and what viewOf throws fails its own call only', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const { store, set } = sessions(t, { pool, deadline: 1 })
  await Promise.all(['good', 'bad'].map((user) => set(user, session({ user }))))
  const view = store.viewer(({ user }) => {
    if (user === 'bad') throw new Error('by viewOf')
    return user
  })

  const [good, bad] = await Promise.allSettled([view('good'), view('bad')])

  t.match(good, { status: 'fulfilled', value: { view: 'good' } })
  t.match(bad, { status: 'rejected', reason: { message: 'by viewOf' } })
  pool.connect = (() => Promise.reject(new Error('away'))) as never
  await t.rejects(view('good'), { code: 'ERR_DATABASE' })
})

test('A viewer tells whether using the session now would write nothing', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, ttl: 900, absoluteTtl: 3600, touchInterval: 60 })
  const view = store.viewer(() => 1)
  const isUpToDate = async () => (await view('id'))?.isUpToDate
  const isStoreUpToDate = async () => store.isUpToDate('id', await load('id'))
  await set('id', session({ user: 'alice' }))

  for (const [move, expected] of [
    ['nothing', true],
    ['expire = expire - interval \'50 seconds\'', true],
    ['expire = expire - interval \'20 seconds\'', false],
    ['expire = expire + interval \'10 minutes\'', false],
    // The absolute lifetime ends before the idle one would.
    [`expire = timezone('utc', now()) + interval '300 seconds', sess = jsonb_set(
      sess::jsonb, '{~store,created}', to_jsonb((extract(epoch FROM now()) * 1000)::bigint - 3300000))`, true],
    ['expire = expire - interval \'1 second\'', false]
  ] as const) {
    if (move !== 'nothing') await db.query(`UPDATE session SET ${move}`)
    t.equal(await isUpToDate(), expected, move)
    t.equal(await isStoreUpToDate(), expected, `as isUpToDate of the store: ${move}`)
  }
})

test('A session whose row does not say when it was created is not up to date for a viewer', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url, ttl: 900, absoluteTtl: 3600 })
  const view = store.viewer(() => 1)
  await set('id', session({ user: 'alice' }))
  t.equal((await view('id'))?.isUpToDate, true)

  await db.query('UPDATE session SET sess = (sess::jsonb - \'~store\')::json')

  t.equal((await view('id'))?.isUpToDate, false)
})

test('A session that this process has ended is not up to date for a viewer that read it just before', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url, ttl: 900 })
  const view = store.viewer(() => 1)
  await set('id', session({ user: 'alice' }))
  const [row] = await rows(db)
  await store.consume('id')
  // As if the row had been read before it was deleted.
  await db.query(`INSERT INTO session (sid, sess, expire)
    VALUES ('id', '${row?.sess}', timezone('utc', now()) + interval '900 seconds')`)

  t.match(await view('id'), { view: 1, isUpToDate: false })
})
