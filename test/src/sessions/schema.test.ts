import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { database, withSetting } from '../../support/database.js'
import { inProcess, poolOf, rows, session, sessions, type Db } from './harness.js'

/** connect-pg-simple 10's `table.sql`. */
const CONNECT_PG_SIMPLE = `
  CREATE TABLE "session" (
    "sid" varchar NOT NULL COLLATE "default",
    "sess" json NOT NULL,
    "expire" timestamp(6) NOT NULL
  )
  WITH (OIDS=FALSE);
  ALTER TABLE "session" ADD CONSTRAINT "session_pkey" PRIMARY KEY ("sid") NOT DEFERRABLE INITIALLY IMMEDIATE;
  CREATE INDEX "IDX_session_expire" ON "session" ("expire");`

/** PostgreSQL fills it from `sess`, so a generated column counts as one with a default. */
const USER_SUB = { name: 'user_sub', type: 'character varying', not_null: false, has_default: true }

/** The columns, constraints and indexes of a table, from the catalogue. */
async function layout (db: Db, table = 'session') {
  const name = pg.escapeIdentifier(table)
  return {
    columns: await db.query(`
      SELECT attname AS name,
          format_type(atttypid, atttypmod) AS type,
          attnotnull AS not_null,
          atthasdef AS has_default
        FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum`, [name]),
    constraints: await db.query(`
      SELECT conname AS name, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE conrelid = $1::regclass AND contype <> 'n'`, [name]),
    indexes: (await db.query(`
      SELECT indexrelid::regclass::text AS name
        FROM pg_index
        WHERE indrelid = $1::regclass
        ORDER BY 1`, [name])).map((row) => row['name']),
    expiry: await db.query(`
      SELECT indexdef
        FROM pg_indexes
        WHERE tablename = $1 AND indexname = $2`, [table, `IDX_${table}_expire`]),
    kind: await db.query('SELECT relkind, relpersistence FROM pg_class WHERE oid = $1::regclass', [name])
  }
}

/** The URL of `db` for a new role with these privileges. */
async function role (t: Test, db: Db, ...grants: string[]): Promise<string> {
  const name = `r${process.pid}_${Math.floor(Math.random() * 1e9)}`
  await db.query(`CREATE ROLE ${name} LOGIN PASSWORD 'test'`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`) })
  await db.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC') // as since PostgreSQL 15
  for (const grant of grants) await db.query(`GRANT ${grant} TO ${name}`)
  return Object.assign(new URL(db.url), { username: name, password: 'test' }).href
}

test('any first statement creates the table', async (t) => {
  const db = await database(t)
  const { store, get, set, touch, destroy, all, length, clear } = sessions(t, { conString: db.url })
  const statements = {
    get: () => get('id'),
    set: () => set('id', session()),
    touch: () => touch('id', session()),
    destroy: () => destroy('id'),
    consume: () => store.consume('id'),
    all: () => all(),
    length: () => length(),
    clear: () => clear(),
    listByUser: () => store.listByUser('alice'),
    destroyByUser: () => store.destroyByUser('alice'),
    prune: () => store.prune(),
    ping: () => store.ping(),
    createTable: () => store.createTable()
  }
  for (const [name, statement] of Object.entries(statements)) {
    await statement()
    t.equal((await rows(db)).length, name === 'set' ? 1 : 0, name)
    await db.query('DROP TABLE session') // the next statement runs without its table
  }
})

test('concurrent instances with and without schemaName create one table', async (t) => {
  for (let round = 0; round < 5; round++) {
    const db = await database(t)
    const stores = Array.from({ length: 8 }, (_, i) => sessions(t, {
      pool: poolOf(t, db.url, { max: 1 }), ...(i % 2 === 0 ? {} : { schemaName: 'public' })
    }))
    await Promise.all(stores.map(({ get }) => get('id')))
    t.same(await rows(db), [])
  }
})

test('nothing is created before the first statement', async (t) => {
  const db = await database(t)
  sessions(t, { conString: db.url })
  await sleep(100)
  t.same(await db.query('SELECT to_regclass(\'session\') AS found'), [{ found: null }])
})

test('the table matches the documentation', async (t) => {
  const db = await database(t)
  await sessions(t, { conString: db.url }).store.createTable()
  t.same(await layout(db), {
    columns: [
      { name: 'sid', type: 'character varying', not_null: true, has_default: false },
      { name: 'sess', type: 'json', not_null: true, has_default: false },
      { name: 'expire', type: 'timestamp(6) without time zone', not_null: true, has_default: false },
      USER_SUB
    ],
    constraints: [{ name: 'session_pkey', definition: 'PRIMARY KEY (sid)' }],
    indexes: ['"IDX_session_expire"', '"IDX_session_user_sub"', 'session_pkey'],
    expiry: [{ indexdef: 'CREATE INDEX "IDX_session_expire" ON public.session USING btree (expire)' }],
    kind: [{ relkind: 'r', relpersistence: 'p' }]
  })
  t.same(await db.query('SELECT indexdef FROM pg_indexes WHERE indexname = \'IDX_session_user_sub\''), [{
    indexdef: 'CREATE INDEX "IDX_session_user_sub" ON public.session' +
      ' USING btree (user_sub) WHERE (user_sub IS NOT NULL)'
  }])
})

test('the table equals that of connect-pg-simple except for user_sub', async (t) => {
  const [theirs, ours] = [await database(t), await database(t)]
  await theirs.query(CONNECT_PG_SIMPLE)
  await sessions(t, { conString: ours.url }).store.createTable()
  const [{ columns, indexes, ...rest }, expected] = [await layout(ours), await layout(theirs)]
  t.same({
    ...rest,
    columns: columns.slice(0, 3),
    indexes: indexes.filter((name) => name !== '"IDX_session_user_sub"')
  }, expected)
  t.same(columns.slice(3), [USER_SUB])
})

test('a change that keeps the expiry is a heap-only update', async (t) => {
  const db = await database(t)
  const { set, load } = sessions(t, { conString: db.url })
  for (let n = 0; n < 100; n++) await set(`id-${n}`, session({ text: 'x'.repeat(500) }, 900))

  const pages = (): Promise<{ page?: number }[]> => db.query(
    'SELECT sid, (ctid::text::point)[0]::int AS page FROM session ORDER BY sid'
  )
  const before = await pages()

  for (let n = 0; n < 100; n += 20) {
    await set(`id-${n}`, Object.assign(await load(`id-${n}`), { text: 'y'.repeat(500) }))
  }

  // At most one row per page changed. An update that stays on its page and keeps the indexed columns is heap-only.
  t.same(await pages(), before)
  t.ok(new Set(before.map(({ page }) => page)).size > 5)
})

test('a table created by connect-pg-simple is used unchanged', async (t) => {
  const db = await database(t)
  await db.query(CONNECT_PG_SIMPLE)
  const files = () => db.query(`
    SELECT oid, relfilenode
      FROM pg_class
      WHERE relname IN ('session', 'session_pkey', 'IDX_session_expire')`)
  const before = await files()
  const { store, set, load } = sessions(t, { conString: db.url })

  await store.createTable()
  await set('id', session({ user: 'alice' }))

  t.match(await load('id'), { user: 'alice' })
  t.same(await files(), before)
})

test('thirty stores in three processes create the table without errors', async (t) => {
  const db = await database(t)
  const at = Date.now() + 2500
  const errors = await Promise.all([1, 2, 3].map(() => inProcess(t, 'tenStores', { url: db.url, at })))
  t.same(errors, [[], [], []])
  t.equal((await rows(db)).length, 30)
})

test('one instance creates the table while the others wait', async (t) => {
  const db = await database(t)
  // Each creation takes a while before it is committed.
  await db.query(`
    CREATE FUNCTION pause () RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); END';
    CREATE EVENT TRIGGER pause ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION pause ()`)
  await Promise.all(Array.from({ length: 6 }, (_, i) => sessions(t, { conString: db.url }).set(`${i}`, session())))
  t.equal((await rows(db)).length, 6)
})

test('the next call retries a failed table creation', async (t) => {
  const db = await database(t)
  const { get } = sessions(t, { conString: db.url, schemaName: 'later' })
  await t.rejects(get('id'), { code: 'ERR_DATABASE' })
  await db.query('CREATE SCHEMA later')
  t.equal(await get('id'), null)
})

test('concurrent calls create the table once', async (t) => {
  const db = await database(t)
  const pool = poolOf(t, db.url)
  let created = 0
  pool.on('connect', (client) => {
    client.on('notice', ({ message }) => { if (/already exists/.test(message ?? '')) created++ })
  })
  const { set, get, touch, destroy, length, all } = sessions(t, { pool })
  await Promise.all([
    ...Array.from({ length: 10 }, (_, i) => set(`${i}`, session())),
    get('x'), touch('x', session()), destroy('x'), length(), all()
  ])
  t.equal(created, 0)
  t.equal((await rows(db)).length, 10)
})

test('a role without CREATE can use an existing table', async (t) => {
  const db = await database(t)
  await sessions(t, { conString: db.url }).store.createTable()
  const { store, set, load, touch, destroy, length } = sessions(t, {
    conString: await role(t, db, 'SELECT, INSERT, UPDATE, DELETE ON session'), touchInterval: 0.001
  })
  await store.createTable()
  await set('id', session({ user: 'alice' }))
  await touch('id', await load('id'))
  t.equal(await length(), 1)
  await destroy('id')
  t.equal(await store.prune(), 0)
  await store.ping()
})

test('a role without CREATE gets the reason as the cause', async (t) => {
  const db = await database(t)
  const { set } = sessions(t, { conString: await role(t, db) })
  await t.rejects(set('id', session()), {
    code: 'ERR_DATABASE', cause: { message: /permission denied for schema public/ }
  })
})

test('with createTableIfMissing false a missing table is ERR_DATABASE', async (t) => {
  const db = await database(t)
  const { get, set, store } = sessions(t, { conString: db.url, createTableIfMissing: false })
  for (const call of [() => get('id'), () => set('id', session()), () => store.prune(), () => store.ping()]) {
    await t.rejects(async () => { await call() }, {
      code: 'ERR_DATABASE', statusCode: 503, cause: { message: /^42P01: / }
    })
  }
  t.same(await db.query('SELECT to_regclass(\'session\') AS found'), [{ found: null }])
  await store.createTable()
  t.equal(await get('id'), null)
})

for (const name of [
  'Sessions', 'user sessions', 'the "quoted" one', 'it\'s; DROP TABLE session --', 'séance', '$1', 'x'.repeat(63)
]) {
  test(`a table and a schema may be named ${name}`, async (t) => {
    const db = await database(t)
    await db.query(`CREATE SCHEMA ${pg.escapeIdentifier(name)}`)
    const { set, load, store, length } = sessions(t, { conString: db.url, schemaName: name, tableName: name })
    await store.createTable()
    await set('id', session({ user: 'alice' }))
    t.match(await load('id'), { user: 'alice' })
    t.equal(await length(), 1)
    t.equal(await store.prune(), 0)
    const tables = 'SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = $1 AND tablename = $1'
    t.same(await db.query(tables, [name]), [{ n: 1 }])
  })
}

test('two tables in one schema have separate sessions and indexes', async (t) => {
  const db = await database(t)
  const one = sessions(t, { conString: db.url })
  const two = sessions(t, { conString: db.url, tableName: 'admin_session' })
  await one.set('id', session({ user: 'alice' }))
  await two.set('id', session({ user: 'bob' }))
  t.match(await one.load('id'), { user: 'alice' })
  t.match(await two.load('id'), { user: 'bob' })
  t.same((await layout(db, 'admin_session')).indexes, [
    '"IDX_admin_session_expire"', '"IDX_admin_session_user_sub"', 'admin_session_pkey'
  ])
})

test('two schemas can have tables of the same name', async (t) => {
  const db = await database(t)
  await db.query('CREATE SCHEMA a; CREATE SCHEMA b')
  const a = sessions(t, { conString: db.url, schemaName: 'a' })
  const b = sessions(t, { conString: db.url, schemaName: 'b' })
  await a.set('id', session({ user: 'alice' }))
  t.equal(await b.get('id'), null)
  t.match(await a.load('id'), { user: 'alice' })
})

test('without schemaName the search path applies', async (t) => {
  const db = await database(t)
  await db.query('CREATE SCHEMA app')
  const { set } = sessions(t, { conString: await withSetting(t, db, 'search_path', 'app,public') })
  await set('id', session())
  t.equal((await rows(db, 'app.session')).length, 1)
})
