import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { advisoryLock, about, age, poolOf, rows, schema, session, sessions } from './harness.js'

const [key, next] = ['a'.repeat(32), Buffer.alloc(32, 'b')]

test('a session is stored under a hash of its id and found by the id', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url, hashIds: key })
  await set('secret-id', session({ user: 'alice' }))
  t.match(await load('secret-id'), { user: 'alice' })
  t.match(await rows(db), [{ sid: /^h1\.[\w-]{43}$/ }])
  t.notMatch(JSON.stringify(await rows(db)), /secret-id/)
})

test('every method works with hashIds', async (t) => {
  const db = await schema(t)
  const { store, get, set, touch, destroy, load, all, length } = sessions(t, {
    conString: db.url, hashIds: key, touchInterval: 0.001, absoluteTtl: 3600
  })
  await set('id', session({ user: 'alice' }))
  await set('id', Object.assign(await load('id'), { step: 1 }))
  await touch('id', await load('id'))
  t.match(await all(), [{ user: 'alice', step: 1 }])
  t.equal(await length(), 1)
  await destroy('id')
  t.equal(await get('id'), null)
  await set('id', session({ state: 'xyz' }))
  t.match(await store.consume('id'), { state: 'xyz' })
  t.same(await rows(db), [])
})

test('reads of one batch find rows under every key, and without one', async (t) => {
  const db = await schema(t)
  const name = { conString: db.url, pruneSessionInterval: false as const }
  for (const [id, hashIds] of [['plain', false], ['old', key], ['new', [next, key]]] as const) {
    await sessions(t, { ...name, hashIds }).set(id, session({ user: id }))
  }
  const { get, store } = sessions(t, { ...name, hashIds: [next, key] })
  const view = store.viewer(({ user }) => user)
  await get('none')

  const ids = ['plain', 'old', 'new', 'none']
  t.match(await Promise.all(ids.map((id) => get(id))), [{ user: 'plain' }, { user: 'old' }, { user: 'new' }, null])
  t.match(await Promise.all(ids.map((id) => view(id))), [{ view: 'plain' }, { view: 'old' }, { view: 'new' }, null])
})

test('a hash from the table is not accepted as an id', async (t) => {
  const db = await schema(t)
  const [hashed, plain] = [
    sessions(t, { conString: db.url, hashIds: key }),
    sessions(t, { conString: db.url })
  ]
  await hashed.set('id', session({ user: 'alice' }))
  const [{ sid = '' } = {}] = await rows(db)
  for (const { get, store, destroy } of [hashed, plain]) {
    t.equal(await get(sid), null)
    t.equal(await store.consume(sid), null)
    await destroy(sid)
  }
  t.match(await hashed.load('id'), { user: 'alice' })
})

test('a store with another key finds no session', async (t) => {
  const db = await schema(t)
  await sessions(t, { conString: db.url, hashIds: key }).set('id', session())
  t.equal(await sessions(t, { conString: db.url, hashIds: next }).get('id'), null)
})

/** The key that an older row was written with; the current keys are `next`, then `key`. */
const before = { 'the second key': key, 'no key': false } as const
for (const [what, hashIds] of Object.entries(before)) {
  test(`a row written with ${what} is found, and not changed by a read`, async (t) => {
    const db = await schema(t)
    await sessions(t, { conString: db.url, hashIds }).set('id', session({ user: 'alice' }))
    const old = await rows(db)
    const { load } = sessions(t, { conString: db.url, hashIds: [next, key] })
    t.match(await load('id'), { user: 'alice' })
    t.equal((await rows(db))[0]?.xmin, old[0]?.xmin)
  })

  for (const write of ['set, changed', 'set, unchanged', 'touch', 'touch, not loaded'] as const) {
    test(`a row written with ${what} gets the current stored id by ${write}`, async (t) => {
      const db = await schema(t)
      await sessions(t, { conString: db.url, hashIds }).set('id', session({ user: 'alice' }))
      const { set, touch, load } = sessions(t, {
        conString: db.url, hashIds: [next, key], touchInterval: 60
      })
      const loaded = write === 'touch, not loaded' ? session() : await load('id')
      if (write === 'set, changed') loaded['changed'] = true
      await (write.startsWith('set') ? set : touch)('id', loaded)

      const [updated, ...more] = await rows(db)
      t.same(more, [])
      if (write !== 'touch, not loaded') await touch('id', loaded)
      t.equal((await rows(db))[0]?.xmin, updated?.xmin, 'the stored id changes only once')
      t.match(await sessions(t, { conString: db.url, hashIds: next }).load('id'), { user: 'alice' })
      t.equal(await sessions(t, { conString: db.url, hashIds: key }).get('id'), null)
    })
  }

  test(`a row written with ${what} can be destroyed and consumed`, async (t) => {
    const db = await schema(t)
    const old = sessions(t, { conString: db.url, hashIds })
    const { destroy, store } = sessions(t, { conString: db.url, hashIds: [next, key] })
    await old.set('one', session())
    await old.set('two', session({ user: 'alice' }))
    await destroy('one')
    t.match(await store.consume('two'), { user: 'alice' })
    t.same(await rows(db), [])
  })

  test(`destroyByUser can except a row written with ${what}`, async (t) => {
    const db = await schema(t)
    const old = sessions(t, { conString: db.url, hashIds })
    for (const id of ['one', 'two']) await old.set(id, session({ user: { sub: 'alice' } }))
    const { store, load, get } = sessions(t, { conString: db.url, hashIds: [next, key] })
    t.equal(await store.destroyByUser('alice', { except: 'one' }), 1)
    t.match(await load('one'), { user: { sub: 'alice' } })
    t.equal(await get('two'), null)
  })

  test(`two requests can both change a row written with ${what}`, async (t) => {
    const db = await schema(t)
    await sessions(t, { conString: db.url, hashIds }).set('id', session())
    const { set, load } = sessions(t, { conString: db.url, hashIds: [next, key] })
    const [one, two] = [await load('id'), await load('id')]
    await set('id', Object.assign(one, { step: 1 }))
    await set('id', Object.assign(two, { step: 2 }))
    t.match(await load('id'), { step: 2 })
  })

  test(`a destroyed row written with ${what} is not restored`, async (t) => {
    const db = await schema(t)
    await sessions(t, { conString: db.url, hashIds }).set('id', session())
    const { set, load, destroy } = sessions(t, { conString: db.url, hashIds: [next, key] })
    const loaded = await load('id')
    await destroy('id')
    await set('id', Object.assign(loaded, { late: true }))
    t.same(await rows(db), [])
  })
}

test('no call fails on two rows of the same id', async (t) => {
  const db = await schema(t)
  const [plain, { set, touch, load, get, destroy, store }] = [
    sessions(t, { conString: db.url }),
    sessions(t, { conString: db.url, hashIds: [next, key], touchInterval: 0.001 })
  ]
  await plain.set('id', session({ from: 'before' }))
  await set('id', session({ from: 'now' }))
  t.equal((await rows(db)).length, 2)

  t.match(await load('id'), { from: 'now' })
  await touch('id', session({}, 1800))
  t.ok(about((await rows(db)).find(({ sid }) => sid !== 'id')?.left, 1800))
  const [one, two] = [await load('id'), await load('id')]
  await set('id', Object.assign(one, { step: 1 }))
  await set('id', Object.assign(two, { other: 1 })) // merged
  t.match(await load('id'), { from: 'now', step: 1, other: 1 })
  await destroy('id')
  t.equal(await get('id'), null)

  await plain.set('id', session({ from: 'before' }))
  await set('id', session({ from: 'now' }))
  t.match(await store.consume('id'), { from: 'now' })
  t.same(await rows(db), [])
})

test('get returns the live one of two rows, which can be changed', async (t) => {
  const db = await schema(t)
  const { set, touch, load } = sessions(t, { conString: db.url, hashIds: next })
  await set('id', session({ from: 'now' }))
  await age(db)
  await sessions(t, { conString: db.url }).set('id', session({ from: 'before' }))
  await touch('id', await load('id'))
  await set('id', Object.assign(await load('id'), { step: 1 }))
  t.match(await load('id'), { from: 'before', step: 1 })
})

test('a batched destroy deletes both rows of an id, even if one is locked', async (t) => {
  const db = await schema(t)
  const { set, get, destroy } = sessions(t, { conString: db.url, hashIds: next })
  await sessions(t, { conString: db.url }).set('id', session())
  for (const id of ['id', 'other']) await set(id, session())
  const locker = await poolOf(t, db.url).connect()
  await locker.query('BEGIN; SELECT FROM session WHERE sid = \'id\' FOR UPDATE')
  const ending = Promise.all([destroy('id'), destroy('other')])
  await sleep(200)
  await locker.query('ROLLBACK')
  locker.release()
  await ending
  t.equal(await get('id'), null)
  t.same(await rows(db), [])
})

test('a batched destroy finds a row whose stored id changes meanwhile', async (t) => {
  const db = await schema(t)
  const plain = sessions(t, { conString: db.url })
  for (const id of ['first', 'second']) await plain.set(id, session())
  const { destroy, length } = sessions(t, { conString: db.url, hashIds: next })
  await length() // looks at the table
  // A statement sees the rows as of its start. This view makes it wait at the first row.
  await db.query('ALTER TABLE session RENAME TO rows')
  await db.query(`CREATE FUNCTION pausing (sid varchar) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
    $$ BEGIN
      IF sid = 'first' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
      RETURN true;
    END $$`)
  await db.query('CREATE VIEW session AS SELECT * FROM rows WHERE pausing(sid)')
  const { waitedFor, release } = await advisoryLock(t, db)

  const ending = Promise.all([destroy('first'), destroy('second')])
  await waitedFor()
  await db.query('UPDATE rows SET sid = $1 WHERE sid = \'second\'', [
    `h1.${createHmac('sha256', next).update('second').digest('base64url')}`
  ])
  await release()
  await ending

  t.same(await db.query('SELECT sid FROM rows'), [])
  await db.query('DROP VIEW session')
})

test('consume returns the live one of two rows', async (t) => {
  const db = await schema(t)
  const { set, store } = sessions(t, { conString: db.url, hashIds: next })
  await set('id', session({ from: 'now' }))
  await age(db)
  await sessions(t, { conString: db.url }).set('id', session({ from: 'before' }))
  t.match(await store.consume('id'), { from: 'before' })
})

test('a store with keys does not change unhashed rows', async (t) => {
  const db = await schema(t)
  const plain = sessions(t, { conString: db.url })
  await plain.set('theirs', session({ user: 'alice' }, 900))
  const { set, store } = sessions(t, { conString: db.url, hashIds: key })
  await set('ours', session())
  await store.prune()
  t.match(await plain.load('theirs'), { user: 'alice' })
  t.ok(about((await rows(db)).find(({ sid }) => sid === 'theirs')?.left, 900))
})

for (const call of ['set', 'destroy'] as const) {
  test(`a ${call} succeeds when the row's stored id changes while it waits`, async (t) => {
    const db = await schema(t)
    await sessions(t, { conString: db.url }).set('id', session({ user: 'alice' }))
    const { set, get, load, destroy } = sessions(t, { conString: db.url, hashIds: [next, key] })
    const loaded = await load('id')

    const upgrading = await poolOf(t, db.url).connect()
    await upgrading.query('BEGIN')
    await upgrading.query('UPDATE session SET sid = $1', [
      `h1.${createHmac('sha256', next).update('id').digest('base64url')}`
    ])
    const waiting = call === 'set' ? set('id', Object.assign(loaded, { step: 1 })) : destroy('id')
    await sleep(200)
    await upgrading.query('COMMIT')
    upgrading.release()
    await waiting

    if (call === 'set') t.match(await load('id'), { user: 'alice', step: 1 })
    else t.equal(await get('id'), null)
  })
}
