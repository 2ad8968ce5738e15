import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { all } from '../../src/sessions/statements/all.js'
import { destroyByUser, listByUser } from '../../src/sessions/statements/by-user.js'
import { clear } from '../../src/sessions/statements/clear.js'
import { count } from '../../src/sessions/statements/count.js'
import { insert, insertOne } from '../../src/sessions/statements/insert.js'
import { prune } from '../../src/sessions/statements/prune.js'
import { replace } from '../../src/sessions/statements/replace.js'
import {
  poolOf, rows as rowsOf, schema, session, sessions, type Db
} from '../src/sessions/harness.js'
import { eachStatement, LAYOUT, scans, tablesOf } from '../src/sessions/plan.js'
import { rootUrl } from '../support/root.js'

const page = await readFile(new URL('docs/scaling.md', rootUrl), 'utf8')
const [TABLE = '', SETTINGS = '', VACUUM = '', SIZES = '', BEFORE = '', AFTER = '', ...more] =
  [...page.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql = '']) => sql)

/** A schema with the table of the page and 10,000 sessions of 1,000 users. */
async function large (t: Test): Promise<Db> {
  const db = await schema(t, { table: false })
  await db.query(TABLE)
  await db.query(`INSERT INTO session (sid, sess, expire)
    SELECT 'id' || n,
      json_build_object('cookie', json_build_object(), 'user', json_build_object('sub', (n % 1000)::text)),
      timezone('utc', now()) + n * interval '1 second'
    FROM generate_series(1, 10000) AS n`)
  await db.query('ANALYZE session')
  return db
}

test('Every SQL block of docs/scaling.md is tested', (t) => {
  t.same(more, [])
  t.match(TABLE, /PARTITION BY HASH/)
  t.match(AFTER, /COMMIT/)
  t.end()
})

test('The documented table has the columns and indexes of the store\'s own', async (t) => {
  const [theirs, ours] = [await schema(t, { table: false }), await schema(t, { table: false })]
  await theirs.query(TABLE)
  await sessions(t, { pool: poolOf(t, ours.url) }).store.createTable()
  const columns = (db: Db) => db.query(`
    SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, attgenerated,
      pg_get_expr(adbin, adrelid) AS expression
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = 'session'::regclass AND attnum > 0
    ORDER BY attnum`)
  t.same(await columns(theirs), await columns(ours))
  const indexes = async (db: Db, table: string) => (await db.query(`
    SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') AS definition
    FROM pg_index
    WHERE indrelid = $1::regclass
    ORDER BY 1`, [table])).map(({ definition }) => definition)
  const expected = await indexes(ours, 'session')
  t.equal(expected.length, 3)
  t.same(await indexes(theirs, 'session'), expected)
  for (let n = 0; n < 8; n++) t.same(await indexes(theirs, `session_${n}`), expected)
  t.same(await theirs.query(`
    SELECT count(*)::int AS n, array_agg(DISTINCT reloptions) AS options
    FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = 'session'::regclass AND relkind = 'r'`), [{ n: 8, options: [['fillfactor=90']] }])
})

test('A call reads as many partitions as the page says', async (t) => {
  const db = await large(t)
  const read = async (statement: Parameters<typeof scans>[1], input: unknown) =>
    scans(db, statement, input, { ...LAYOUT, isPartitioned: true })
  await eachStatement(db, 'id7', async (name, statement, input) => {
    t.equal(tablesOf(await read(statement, input)).length, 1, name)
  })
  const fresh = { sid: 'new', sess: '{}', durationMs: 1000, hasCreated: false }
  for (const statement of [insertOne, insert]) t.same(await read(statement, [fresh]), [], 'a new session')
  const ended = await read(replace, { insert: fresh, former: [['id8'], ['id9']] })
  t.ok(tablesOf(ended).length <= 2, 'a sign-in')
  t.notOk(ended.some(({ how }) => how === 'Seq Scan'))

  const byIndex: Record<string, Parameters<typeof read>> = {
    listByUser: [listByUser, '7'],
    destroyByUser: [destroyByUser, { user: '7', except: [] }],
    prune: [prune, { maxRows: 250, from: null }]
  }
  await db.query('UPDATE session SET expire = expire - interval \'1 hour\'')
  for (const [name, args] of Object.entries(byIndex)) {
    const found = await read(...args)
    const parts = found.filter(({ how }) => how !== 'Seq Scan')
    t.equal(tablesOf(parts).length, 8, name)
    t.notOk(found.some(({ how }) => how === 'Seq Scan'), `${name}: ${JSON.stringify(found)}`)
  }
  for (const [name, statement] of Object.entries({ all, count, clear })) {
    t.equal(tablesOf(await read(statement, undefined)).length, 8, name)
  }
})

test('The maintenance of the page keeps the rows', async (t) => {
  const db = await large(t)
  await db.query(SETTINGS)
  await db.query(VACUUM)
  const sizes = await db.query(SIZES)
  t.equal(sizes.length, 8)
  t.match(sizes, Array(8).fill({ part: /^session_\d$/, total_size: /kB$/ }))
  t.same(await db.query(`
    SELECT count(*)::int AS n
    FROM pg_class
    WHERE relname ~ '^session_\\d$' AND relnamespace = current_schema()::regnamespace
      AND 'autovacuum_vacuum_scale_factor=0.05' = ANY(reloptions)`), [{ n: 8 }])
  t.equal((await rowsOf(db)).length, 10_000)
  await t.rejects(db.query('ALTER TABLE session SET (fillfactor = 90)'), { code: '42809' })
})

test('A role with privileges on the partitioned table alone can use it', async (t) => {
  const db = await schema(t, { table: false })
  await db.query(TABLE)
  const role = `r${process.pid}`
  const [found] = await db.query('SELECT current_schema() AS schema')
  const name = String(found?.['schema'])
  await db.query(`
    CREATE ROLE ${role} LOGIN PASSWORD 'test';
    ALTER ROLE ${role} SET search_path = ${name};
    GRANT USAGE ON SCHEMA ${name} TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON session TO ${role}`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  const url = Object.assign(new URL(db.url), { username: role, password: 'test', search: '' }).href
  const { store, set, load, touch, destroy } = sessions(t, { conString: url, touchInterval: 0.001 })
  await store.createTable()
  await set('id', session({ user: { sub: 'alice' } }))
  await set('id', Object.assign(await load('id'), { step: 1 }))
  await touch('id', await load('id'))
  t.equal((await store.listByUser('alice')).length, 1)
  t.equal(await store.prune(), 0)
  await destroy('id')
  t.same(await rowsOf(db), [])
})

test('Moving to the partitioned table keeps sessions, also those in use', async (t) => {
  const db = await schema(t, { table: false })
  const { store, set, load } = sessions(t, { conString: db.url })
  await store.createTable()
  await set('id', session({ user: { sub: 'alice' } }, 900))
  const inUse = await load('id')
  await set('expired', session({}, 0.001))
  const client = new pg.Client(db.url)
  await client.connect()
  t.teardown(() => client.end())

  for (const sql of [BEFORE, TABLE, AFTER]) await client.query(sql)

  await set('id', Object.assign(inUse, { step: 1 }))
  t.match(await load('id'), { user: { sub: 'alice' }, step: 1 })
  t.same(await db.query('SELECT sid, tableoid::regclass::text ~ \'^session_\\d$\' AS moved FROM session'), [
    { sid: 'id', moved: true }
  ])
  t.equal((await store.listByUser('alice')).length, 1)
})

/** What other databases that speak PostgreSQL's protocol may lack. */
const SPECIAL = [
  'xmin', 'pg_current_xact_id', 'ctid', 'tableoid', 'pg_advisory_xact_lock', 'pg_try_advisory_xact_lock',
  'SKIP LOCKED', 'GENERATED ALWAYS AS', 'ON CONFLICT'
]

test('The page names what the store needs of PostgreSQL', async (t) => {
  const folder = new URL('src/sessions/', rootUrl)
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts'))
  const source = (await Promise.all(files.map((name) => readFile(new URL(name, folder), 'utf8')))).join('\n')
  const [, needs = ''] = /\n### What the store needs\n(.*?)\n### /s.exec(page) ?? []
  const used = (name: string) => new RegExp(`\\b${name}\\b`).test(source)

  for (const name of SPECIAL) t.equal(new RegExp(`\\b${name}\\b`).test(needs), used(name), name)
  const locks = new Set([...source.matchAll(/\bpg_\w*advisory\w*/g)].map(([name]) => name))
  for (const name of locks) t.ok(needs.includes(`\`${name}\``), name)
  for (const name of ['UNLOGGED', 'LISTEN', 'NOTIFY', 'TEMPORARY']) t.notOk(used(name), name)
})

test('The example of docs/scaling.md follows from its figures', (t) => {
  const figures = [...page.matchAll(/([\d.]+) ms, ([\d.]+) ms \|$/gm)].map(([, one, two]) => [Number(one), Number(two)])
  const [me = [], signIn = []] = figures
  const cores = (perSecond: number, [instance = 0, database = 0]: number[]) =>
    [perSecond * instance / 1000, perSecond * database / 1000].map((number) => number.toFixed(2))

  const [asked, signsIn] = [cores(200_000 / 60, me), cores(50, signIn)]
  t.ok(page.includes(`3,333 per second | ${asked[0]} cores | ${asked[1]} cores |`), String(asked))
  t.ok(page.includes(`| 50 sign-ins per second | ${signsIn[0]} cores | ${signsIn[1]} cores,`), String(signsIn))
  t.end()
})
