import { test, type Test } from 'tap'
import { makeTable } from '../../support/tables.js'
import { about, age, poolOf, rows, schema, session, sessions, type Db } from './harness.js'
import { eachStatement, scans, tablesOf } from './plan.js'

const [OWN, CHILD] = [
  Array.from({ length: 8 }, (_, index) => `own-${index}`),
  Array.from({ length: 8 }, (_, index) => `child-${index}`)
]
const IDS = [...OWN, ...CHILD]

/** A table and its child, with sessions in both: the rows of one have the `ctid` of the other's. */
async function inherited (t: Test): Promise<Db> {
  const db = await schema(t, { table: false })
  await makeTable(db.query, 'inherited')
  const own = sessions(t, { pool: poolOf(t, db.url) })
  const child = sessions(t, { pool: poolOf(t, db.url), tableName: 'session_child' })
  for (const id of OWN) await own.set(id, session({ owner: id }, 900))
  for (const id of CHILD) await child.set(id, session({ owner: id }, 900))
  return db
}

const contents = async (db: Db) => Object.fromEntries((await rows(db)).map(({ sid, sess }) => {
  const { cookie: _, ...content } = JSON.parse(sess) as Record<string, unknown>
  return [sid, content]
}))

test('table with a child: a change reaches only its own row', async (t) => {
  const db = await inherited(t)
  const shared = 'SELECT count(DISTINCT tableoid)::int AS tables FROM session GROUP BY ctid'
  t.ok((await db.query(shared)).every(({ tables }) => tables === 2), 'every ctid is there twice')
  const { load, set } = sessions(t, { pool: poolOf(t, db.url) })

  const changed = ['own-3', 'child-5']
  const loaded = await Promise.all(changed.map((id) => load(id)))
  await Promise.all(changed.map((id, i) => set(id, Object.assign(loaded[i] ?? {}, { role: id }))))

  const expected = Object.fromEntries(IDS.map((id) => [id, { owner: id }]))
  for (const id of changed) Object.assign(expected[id] ?? {}, { role: id })
  t.same(await contents(db), expected)
})

test('table with a child: concurrent changes of one row are merged in it', async (t) => {
  const db = await inherited(t)
  const { store, load, set } = sessions(t, { pool: poolOf(t, db.url) })
  const [one, two] = [await load('child-2'), await load('child-2')]
  await set('child-2', Object.assign(one, { one: 1 }))
  await set('child-2', Object.assign(two, { two: 2 }))

  const expected = Object.fromEntries(IDS.map((id) => [id, { owner: id }]))
  t.same(await contents(db), { ...expected, 'child-2': { owner: 'child-2', one: 1, two: 2 } })
  t.equal(store.conflicts.merged, 1)
})

test('table with a child: touch and destroy reach only their own row', async (t) => {
  const db = await inherited(t)
  const { store, touch, destroy } = sessions(t, { pool: poolOf(t, db.url) })
  await touch('child-1', session({}, 1800))
  const moved = (await rows(db)).filter(({ left }) => about(left, 1800))
  t.same(moved.map(({ sid }) => sid), ['child-1'])

  await destroy('child-2')
  await Promise.all(['child-3', 'own-3'].map((id) => destroy(id))) // one statement
  t.match(await store.consume('child-4'), { owner: 'child-4' })
  const gone = new Set(['child-2', 'child-3', 'own-3', 'child-4'])
  t.same((await rows(db)).map(({ sid }) => sid).sort(), IDS.filter((id) => !gone.has(id)).sort())
})

test('table with a child: a row moves to its current stored id', async (t) => {
  const db = await inherited(t)
  const { load, set, touch } = sessions(t, { pool: poolOf(t, db.url), hashIds: 'k'.repeat(32) })
  for (const [index, id] of IDS.entries()) {
    const loaded = await load(id)
    if (index % 2 === 0) await set(id, Object.assign(loaded, { changed: true }))
    else await touch(id, { cookie: loaded.cookie })
  }
  const stored = await rows(db)
  t.equal(stored.length, IDS.length)
  t.ok(stored.every(({ sid }) => sid.startsWith('h1.')))
  for (const id of IDS) t.match(await load(id), { owner: id })
})

test('table with a child: prune removes the expired rows of both', async (t) => {
  const db = await inherited(t)
  // An update gives the next free `ctid` of its table: each expired row shares one with a live row.
  const expired = ['own-0', 'child-2']
  for (const [old, live] of [['own-0', 'child-1'], ['child-2', 'own-3']] as const) {
    await age(db, 60, old)
    await age(db, -900, live)
  }
  const places = await db.query(`
    SELECT array_agg(sid::text ORDER BY sid) AS sids
    FROM session
    GROUP BY ctid
    ORDER BY 1`)
  t.match(places.filter(({ sids }) => expired.some((sid) => (sids as string[]).includes(sid))), [
    { sids: ['child-1', 'own-0'] }, { sids: ['child-2', 'own-3'] }
  ])

  t.equal(await sessions(t, { pool: poolOf(t, db.url) }).store.prune(), expired.length)

  t.same((await rows(db)).map(({ sid }) => sid).sort(), IDS.filter((id) => !expired.includes(id)).sort())
})

test('table with a child: a statement for one session reads both by an index', async (t) => {
  const db = await inherited(t)
  for (const table of ['session', 'session_child']) {
    await db.query(`INSERT INTO ${table} (sid, sess, expire)
      SELECT '${table}-' || n, '{"cookie":{}}', timezone('utc', now()) + interval '1 h'
      FROM generate_series(1, 20000) AS n`)
    await db.query(`ANALYZE ${table}`)
  }
  await eachStatement(db, 'child-0', async (name, statement, input) => {
    const found = await scans(db, statement, input)
    t.same(tablesOf(found), ['session', 'session_child'], name)
    t.notOk(found.some(({ how }) => how === 'Seq Scan'), `${name}: ${JSON.stringify(found)}`)
  })
})
