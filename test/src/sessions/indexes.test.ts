import { test } from 'tap'
import type { Db } from './harness.js'
import { schema, session, sessions } from './harness.js'

/** The columns that indexes of the table begin with. */
const indexed = async (db: Db, table: string) => (await db.query(`
  SELECT a.attname AS name
  FROM pg_index AS i
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = to_regclass($1)
  ORDER BY 1`, [`"${table}"`])).map(({ name }) => name)

test('indexes are created although another table has one of that name', async (t) => {
  const db = await schema(t, { table: false })
  await db.query(`CREATE TABLE other (a int);
    CREATE INDEX "IDX_session_expire" ON other (a);
    CREATE INDEX "IDX_session_user_sub" ON other (a)`)
  const { set, logged } = sessions(t, { conString: db.url })
  await set('id', session())
  t.same(await indexed(db, 'session'), ['expire', 'sid', 'user_sub'])
  t.same(logged, [])
})

for (const name of ['x'.repeat(60), 'x'.repeat(61), 'x'.repeat(63), 'é'.repeat(31)]) {
  test(`a table whose name has ${Buffer.byteLength(name)} bytes gets both indexes`, async (t) => {
    const db = await schema(t, { table: false })
    const { set } = sessions(t, { conString: db.url, tableName: name })
    await set('id', session())
    t.same(await indexed(db, name), ['expire', 'sid', 'user_sub'])
  })
}

test('the indexes have the names of connect-pg-simple\'s', async (t) => {
  const db = await schema(t, { table: false })
  await sessions(t, { conString: db.url }).store.createTable()
  const found = await db.query(`
    SELECT indexname AS name FROM pg_indexes
    WHERE tablename = 'session' AND schemaname = current_schema()
    ORDER BY 1`)
  t.same(found.map(({ name }) => name), ['IDX_session_expire', 'IDX_session_user_sub', 'session_pkey'])
})

test('a table without an index on expire is logged once', async (t) => {
  const db = await schema(t, { table: false })
  await db.query('CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamp NOT NULL)')
  const { set, load, logged } = sessions(t, { conString: db.url })
  await set('id', session())
  await load('id')
  t.match(logged, [{ message: /no index on expire/ }])
  t.equal(logged.length, 1)
})

test('pruning begins each batch at the last removed expiry', async (t) => {
  const db = await schema(t, { table: false })
  const { store } = sessions(t, { conString: db.url })
  await store.createTable()
  // Many rows share an expiry, more than a batch.
  await db.query(`INSERT INTO session (sid, sess, expire)
    SELECT 'id' || n, '{}', timezone('utc', now()) - (n / 700) * interval '1 second'
    FROM generate_series(1, 2000) AS n`)
  t.equal(await store.prune(), 2000)
  t.equal((await db.query('SELECT FROM session')).length, 0)
})
