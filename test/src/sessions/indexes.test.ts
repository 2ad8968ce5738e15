import { escapeIdentifier } from 'pg'
import { test } from 'tap'
import { database, withSetting } from '../../support/database.js'
import { poolOf, schema, session, sessions, type Db } from './harness.js'

/** The definitions of the table's indexes, each with its columns. */
const indexes = async (db: Db, table = 'session'): Promise<string[]> => (await db.query(`
  SELECT pg_get_indexdef(indexrelid) AS definition
  FROM pg_index
  WHERE indrelid = $1::regclass AND NOT indisprimary
  ORDER BY indpred IS NOT NULL`, [escapeIdentifier(table)]
)).map(({ definition }) => String(definition).replace(/^.*USING /, ''))

const BOTH = ['btree (expire)', 'btree (user_sub) WHERE (user_sub IS NOT NULL)']

for (const taken of ['IDX_session_expire', 'IDX_session_user_sub']) {
  for (const [what, sql] of Object.entries({
    'an index of another table': `CREATE TABLE other (expire int); CREATE INDEX "${taken}" ON other (expire)`,
    'another table': `CREATE TABLE "${taken}" (n int)`,
    'a sequence': `CREATE SEQUENCE "${taken}"`
  })) {
    test(`the table gets both indexes where ${what} is named ${taken}`, async (t) => {
      const db = await schema(t, { table: false })
      await db.query(sql)
      const { store, logged } = sessions(t, { pool: poolOf(t, db.url) })
      await store.createTable()
      t.same(await indexes(db), BOTH)
      t.equal(await store.prune(), 0)
      t.same(await store.listByUser('alice'), [])
      t.same(logged, [])
    })
  }
}

test('an index of that name in another schema does not matter', async (t) => {
  const [here, there] = [await schema(t, { table: false }), await schema(t, { table: false })]
  for (const db of [there, here]) {
    await sessions(t, { pool: poolOf(t, db.url) }).store.createTable()
    t.same(await indexes(db), BOTH)
    t.same(await db.query(`
      SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexname LIKE 'IDX%' ORDER BY 1`
    ), [{ indexname: 'IDX_session_expire' }, { indexname: 'IDX_session_user_sub' }])
  }
})

const names = [
  ...[47, 48, 52, 53, 60, 61, 62, 63].map((length) => 'x'.repeat(length)),
  'é'.repeat(26), 'é'.repeat(31), `${'é'.repeat(31)}x`, '用'.repeat(21), `x${'用'.repeat(20)}`,
  '\u{1f600}'.repeat(15), `${'x'.repeat(61)}'"`
]
for (const tableName of names) {
  test(`a table of ${Buffer.byteLength(tableName)} bytes, ${tableName}, has both indexes`, async (t) => {
    const db = await schema(t, { table: false })
    const pool = poolOf(t, db.url)
    // A table whose name differs in the last character only, so that cut names are equal.
    const other = `${[...tableName].slice(0, -1).join('')}y`
    for (const name of [tableName, other]) {
      const { store, set, load, logged } = sessions(t, { pool, tableName: name })
      await set('id', session({ user: { sub: name } }))
      await store.createTable()
      t.match(await load('id'), { user: { sub: name } })
      t.equal((await store.listByUser(name)).length, 1)
      t.same(await indexes(db, name), BOTH)
      t.same(logged, [])
    }
  })
}

for (const options of [{}, { tableName: 'é'.repeat(31) }, { userKey: ['x'.repeat(40), 'y'.repeat(40)] }]) {
  test(`ten stores that start at once make each index once: ${Object.keys(options).join()}`, async (t) => {
    const db = await database(t)
    const stores = Array.from({ length: 10 }, () =>
      sessions(t, { pool: poolOf(t, db.url, { max: 1 }), ...options }))
    await Promise.all(stores.map(({ store }) => store.createTable()))
    t.equal((await indexes(db, options.tableName)).length, 2)
  })
}

test('a table of another store keeps its indexes, and one without an index on expire is told once', async (t) => {
  const db = await schema(t, { table: false })
  await db.query('CREATE TABLE session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)')
  const { store, length, logged } = sessions(t, { pool: poolOf(t, db.url) })
  await length()
  t.equal(await store.prune(), 0)
  t.same(await indexes(db), [])
  t.match(logged, [{ message: /"session" has no index on expire/ }])
  t.equal(logged.length, 1)
})

for (const isolation of ['repeatable read', 'serializable']) {
  test(`15 changes of one session at once succeed under ${isolation}`, async (t) => {
    const db = await database(t)
    const url = await withSetting(t, db, 'default_transaction_isolation', isolation)
    const stores = Array.from({ length: 3 }, () => sessions(t, { pool: poolOf(t, url, { max: 5 }) }))
    for (let round = 0; round < 8; round++) {
      const id = `id${round}`
      await stores[0]?.set(id, session())
      const loaded = await Promise.all(Array.from({ length: 15 }, async (_, i) => {
        const { load, set } = stores[i % 3] as typeof stores[number]
        return { set, one: await load(id), i }
      }))
      const outcomes = await Promise.allSettled(loaded.map(({ set, one, i }) =>
        set(id, Object.assign(one, { [`k${i}`]: i }))))
      t.same(outcomes.filter(({ status }) => status === 'rejected'), [], `round ${round}`)
      const stored = await stores[1]?.load(id)
      t.same(Array.from({ length: 15 }, (_, i) => stored?.[`k${i}`]), Array.from({ length: 15 }, (_, i) => i))
    }
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
