import { test, type Test } from 'tap'
import { age, pass, poolOf, rows, schema, session, sessions, type Db } from './harness.js'
import { eachStatement, LAYOUT, scans, tablesOf } from './plan.js'

const PARTITIONS = 8
const PARTITIONED = { ...LAYOUT, isPartitioned: true }
const IDS = Array.from({ length: 32 }, (_, index) => `id-${index}`)
const USERS = [['alice', 'ADMIN'], ['bob', 'INVESTOR'], ['carol', 'ISSUER'], ['dave', 'ADMIN']] as const

/** A session table that is partitioned by the hash of `sid`: each partition counts its `ctid` from (0,1). */
async function partitioned (t: Test): Promise<Db> {
  const db = await schema(t, { table: false })
  await db.query(`CREATE TABLE session (
    sid VARCHAR NOT NULL PRIMARY KEY, sess JSON NOT NULL, expire TIMESTAMP(6) NOT NULL
  ) PARTITION BY HASH (sid)`)
  for (let remainder = 0; remainder < PARTITIONS; remainder++) {
    await db.query(`CREATE TABLE session_${remainder} PARTITION OF session
      FOR VALUES WITH (MODULUS ${PARTITIONS}, REMAINDER ${remainder})`)
  }
  return db
}

const contents = async (db: Db) => Object.fromEntries((await rows(db)).map(({ sid, sess }) => {
  const { cookie: _, ...content } = JSON.parse(sess) as Record<string, unknown>
  return [sid, content]
}))

test('partitioned table: a change reaches only its own row', async (t) => {
  const db = await partitioned(t)
  const { load, set } = sessions(t, { pool: poolOf(t, db.url) })
  for (const id of IDS) await set(id, session({ owner: id }))

  const changed = await load('id-3')
  Object.assign(changed, { user: { sub: 'alice' }, role: 'ADMIN' })
  await set('id-3', changed)

  const expected = Object.fromEntries(IDS.map((id) => [id, { owner: id }]))
  t.same(await contents(db), { ...expected, 'id-3': { owner: 'id-3', user: { sub: 'alice' }, role: 'ADMIN' } })
})

test('partitioned table: concurrent changes keep their own content', async (t) => {
  const db = await partitioned(t)
  const { load, set } = sessions(t, { pool: poolOf(t, db.url) })
  for (const id of IDS) await set(id, session())
  const changes = USERS.map(([sub, role], index) => ({ id: `id-${index}`, content: { user: { sub }, role } }))
  const loaded = await Promise.all(changes.map(({ id }) => load(id)))

  await Promise.all(changes.map(({ id, content }, index) => set(id, Object.assign(loaded[index] as object, content))))

  const expected = Object.fromEntries(IDS.map((id) => [id, {}]))
  t.same(await contents(db), { ...expected, ...Object.fromEntries(changes.map(({ id, content }) => [id, content])) })
})

test('partitioned table: a new session can be changed and destroyed', async (t) => {
  const db = await partitioned(t)
  const { store, load, set, touch, destroy, get } = sessions(t, { pool: poolOf(t, db.url), ttl: 900 })
  const created = session({ step: 1 }, 900)
  await set('id', created)
  created.step = 2
  await set('id', created)
  t.match(await load('id'), { step: 2 })
  t.same(store.conflicts, { merged: 0, overwritten: 0 }, 'the store knew the version of the new row')

  await pass(db, 300)
  await touch('id', session({}, 900))
  t.ok((await rows(db))[0]?.left as number > 890)

  await destroy('id')
  t.equal(await get('id'), null)
})

test('partitioned table: a row moves from its legacy id to the current one', async (t) => {
  const db = await partitioned(t)
  const plain = sessions(t, { pool: poolOf(t, db.url) })
  for (const id of IDS) await plain.set(id, session({ owner: id }, 900))
  const hashed = sessions(t, { pool: poolOf(t, db.url), hashIds: 'k'.repeat(32) })

  for (const [index, id] of IDS.entries()) {
    const loaded = await hashed.load(id)
    if (index % 2 === 0) await hashed.set(id, Object.assign(loaded, { changed: true }))
    else await hashed.touch(id, { cookie: loaded.cookie })
  }

  const stored = await rows(db)
  t.equal(stored.length, IDS.length)
  t.ok(stored.every(({ sid }) => sid.startsWith('h1.')), 'every row is stored under its keyed hash')
  for (const id of IDS) t.match(await hashed.load(id), { owner: id })
})

test('partitioned table: prune removes only expired rows', async (t) => {
  const db = await partitioned(t)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  for (const id of IDS) await set(id, session())
  await age(db, 60, 'id-1%')
  const expired = IDS.filter((id) => id.startsWith('id-1'))

  t.equal(await store.prune(), expired.length)
  t.same((await rows(db)).map(({ sid }) => sid).sort(), IDS.filter((id) => !expired.includes(id)).sort())
})

test('partitioned table: a lease has one holder until its release', async (t) => {
  const db = await partitioned(t)
  const { store } = sessions(t, { pool: poolOf(t, db.url) })
  const held = await store.acquireLease('id', 10_000)
  t.match(held, { acquired: true })
  t.match(await store.acquireLease('id', 10_000), { acquired: false })
  if (held.acquired) await held.release()
  t.match(await store.acquireLease('id', 10_000), { acquired: true })
})

test('partitioned table: a statement for one session reads one partition', async (t) => {
  const db = await partitioned(t)
  const { set } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id-0', session())
  await db.query(`INSERT INTO session SELECT 'other-' || n, '{"cookie":{}}', timezone('utc', now()) + interval '1 h'
    FROM generate_series(1, 20000) AS n`)
  await db.query('ANALYZE session')
  await eachStatement(db, 'id-0', async (name, statement, input) => {
    t.equal(tablesOf(await scans(db, statement, input, PARTITIONED)).length, 1, name)
  })
})
