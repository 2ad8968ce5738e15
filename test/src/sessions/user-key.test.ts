import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { escapeIdentifier } from 'pg'
import { test } from 'tap'
import { isGeneratedFrom, userColumn } from '../../../src/sessions/user-column.js'
import type { SessionData } from '../../../src/sessions/types.js'
import { poolOf, rows, schema, session, sessions, type Db } from './harness.js'

const theirs = await readFile(createRequire(import.meta.url).resolve('connect-pg-simple/table.sql'), 'utf8')

const NO_COLUMN = 'The session table has no column of the user: finding sessions by user reads every row'

/** The session with `value` at the path. */
const at = (path: readonly string[], value: unknown, more: Record<string, unknown> = {}): SessionData =>
  session({ ...path.reduceRight((inner: unknown, key) => ({ [key]: inner }), value) as object, ...more })

/** The generated columns of the table. */
const columns = async (db: Db, table = 'session'): Promise<unknown[]> => (await db.query(`
  SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attgenerated <> ''`, [escapeIdentifier(table)]
)).map(({ attname }) => attname)

/** The index scans of a statement that finds sessions by the column of the user. */
const planOf = async (db: Db, column: string): Promise<string> => JSON.stringify(await db.query(`
  EXPLAIN SELECT sid FROM session WHERE ${escapeIdentifier(column)} = 'u7' AND expire > timezone('utc', now())`))

/** 5,000 more sessions, of the users u1 to u5000. */
const fill = (db: Db, path: readonly string[]) => db.query(`
  INSERT INTO session (sid, sess, expire)
    SELECT 'filled' || n, replace($1, '#', n::text)::json, timezone('utc', now()) + interval '1 day'
    FROM generate_series(1, 5000) AS n`, [JSON.stringify(at(path, 'u#'))])

const paths: [path: string[], column: string][] = [
  [['passport', 'user'], 'passport_user'],
  [['userId'], 'userId'],
  [['a', 'b', 'c', 'd'], 'a_b_c_d'],
  [['it\'s', 'q"z'], 'it\'s_q"z'],
  [['a->b', '->>'], 'a->b_->>'],
  [['back\\slash', '$1', '%s'], 'back\\slash_$1_%s'],
  [['séance', '用户'], 'séance_用户'],
  [['with space', ' '], 'with space_ '],
  [['sub\'::text)'], 'sub\'::text)'],
  [['sid'], 'user_sid'],
  [['sess'], 'user_sess'],
  [['expire'], 'user_expire'],
  [['xmin'], 'user_xmin'],
  [['用'.repeat(30), 'id'], '用'.repeat(21)]
]
for (const [userKey, column] of paths) {
  test(`userKey ${JSON.stringify(userKey)} finds sessions by the column ${column} and its index`, async (t) => {
    const db = await schema(t, { table: false })
    const { store, set, get, logged } = sessions(t, { pool: poolOf(t, db.url), userKey })
    for (const id of ['a1', 'a2', 'a3']) await set(id, at(userKey, 'alice'))
    await set('b1', at(userKey, 'bob'))
    await set('n1', at(userKey, 42))
    await set('text', at(userKey, '42'))
    await set('guest', session({ other: 'alice' }))

    t.equal((await store.listByUser('alice')).length, 3)
    t.equal((await store.listByUser(42)).length, 2)
    t.equal(await store.destroyByUser('alice', { except: 'a2' }), 2)
    t.same(await Promise.all(['a1', 'a2', 'a3', 'b1', 'guest'].map(async (id) => await get(id) !== null)),
      [false, true, false, true, true])
    t.equal(await store.destroyByUser(42), 2)

    t.same(await columns(db), [column])
    await fill(db, userKey)
    await db.query('ANALYZE session')
    t.match(await planOf(db, column), /(Index|Bitmap) .*Scan (on|using) .*session_/)
    t.equal((await store.listByUser('u7')).length, 1)
    t.same(logged, [])
  })
}

test('a function as userKey says whose a session is, also after a change', async (t) => {
  const db = await schema(t, { table: false })
  const userKey = ({ account, n }: SessionData) => account === undefined ? n as number | undefined : account as string
  const { store, set, load, get, logged } = sessions(t, { pool: poolOf(t, db.url), userKey, absoluteTtl: 3600 })
  for (const id of ['a1', 'a2', 'a3']) await set(id, session({ account: 'alice "\'\\ ->> é 用 \u{1f600}' }))
  await set('n', session({ n: 42 }))
  await set('zero', session({ n: 0 }))
  await set('guest', session({ other: 1 }))
  const alice = 'alice "\'\\ ->> é 用 \u{1f600}'

  t.equal((await store.listByUser(alice)).length, 3)
  t.notOk('~store' in ((await store.listByUser(alice))[0]?.session ?? {}))
  t.equal((await store.listByUser(42)).length, 1)
  t.equal((await store.listByUser(0)).length, 1)
  t.equal(await store.destroyByUser(alice, { except: 'a1' }), 2)
  await set('a1', Object.assign(await load('a1'), { account: 'bob' }))
  t.equal((await store.listByUser(alice)).length, 0)
  t.equal((await store.listByUser('bob')).length, 1)
  await set('a1', Object.assign(await load('a1'), { account: undefined }))
  t.equal(await store.destroyByUser('bob'), 0)
  t.not(await get('a1'), null)
  await store.replace('new', session({ account: 'carol' }), ['n'])
  t.equal((await store.listByUser('carol')).length, 1)

  t.same(await columns(db), ['user_key'])
  await fill(db, ['~store', 'user'])
  await db.query('ANALYZE session')
  t.match(await planOf(db, 'user_key'), /(Index|Bitmap) .*Scan (on|using) .*session_user_key/)
  t.same(logged, [])
})

test('changes of two requests that are merged keep the user of the function', async (t) => {
  const db = await schema(t, { table: false })
  const { store, set, load } = sessions(t, {
    pool: poolOf(t, db.url), userKey: ({ account }) => account as string | undefined
  })
  await set('id', session({ account: 'alice' }))
  const [one, two] = [await load('id'), await load('id')]
  await set('id', Object.assign(one, { account: 'bob' }))
  await set('id', Object.assign(two, { step: 1 }))
  t.equal((await store.listByUser('alice')).length, 0)
  t.match(await store.listByUser('bob'), [{ session: { account: 'bob', step: 1 } }])
})

test('a userKey that throws fails its own call, and later calls for the session go on', async (t) => {
  const db = await schema(t, { table: false })
  let fails = true
  const { store, set, load } = sessions(t, {
    pool: poolOf(t, db.url),
    userKey: () => {
      if (fails) throw new RangeError('not today')
      return 'alice'
    }
  })
  await t.rejects(set('id', session({ n: 1 })), { message: 'not today' })
  await t.rejects(store.put('id', { n: 1 }, 60), { message: 'not today' })
  await t.rejects(store.replace('id', session({ n: 1 }), []), { message: 'not today' })
  fails = false
  await set('id', session({ n: 1 }))
  const loaded = await load('id')
  fails = true
  await t.rejects(set('id', Object.assign(loaded, { n: 2 })), { message: 'not today' })
  fails = false
  t.match(await load('id'), { n: 1 })
  await set('id', Object.assign(await load('id'), { n: 3 }))
  t.match(await store.listByUser('alice'), [{ session: { n: 3 } }])
})

for (const [what, create] of Object.entries({
  'connect-pg-simple\'s table': theirs,
  'a table with sess jsonb': theirs.replace('json NOT NULL', 'jsonb NOT NULL'),
  'a table with sess text': theirs.replace('json NOT NULL', 'text NOT NULL')
})) {
  for (const userKey of [['passport', 'user'], ['it\'s', 'a->b'], ({ account }: SessionData) => account as string]) {
    const name = typeof userKey === 'function' ? 'a function' : JSON.stringify(userKey)
    test(`${what} gives right answers for ${name}, and one line in the log`, async (t) => {
      const db = await schema(t, { table: false })
      await db.query(create)
      const { store, set, get, logged } = sessions(t, { pool: poolOf(t, db.url), userKey })
      const of = (user: string | number) => typeof userKey === 'function'
        ? session({ account: user })
        : at(userKey, user)
      for (const id of ['a1', 'a2']) await set(id, of('alice'))
      await set('n', of(7))
      await set('guest', session())
      t.equal((await store.listByUser('alice')).length, 2)
      t.equal((await store.listByUser(7)).length, 1)
      t.equal(await store.destroyByUser('alice', { except: 'a1' }), 1)
      t.equal(await store.destroyByUser('7'), 1)
      t.not(await get('a1'), null)
      t.same(logged.map(({ message }) => message), [NO_COLUMN])
      t.equal((await rows(db)).length, 2)
    })
  }
}

test('a table that was made for another userKey gives right answers, and one line in the log', async (t) => {
  const db = await schema(t, { table: false })
  const pool = poolOf(t, db.url)
  await sessions(t, { pool }).set('before', at(['passport', 'user'], 'alice', { user: { sub: 'mallory' } }))
  const { store, set, logged } = sessions(t, { pool, userKey: ['passport', 'user'] })
  await set('after', at(['passport', 'user'], 'alice', { user: { sub: 'mallory' } }))
  t.equal((await store.listByUser('alice')).length, 2)
  t.equal((await store.listByUser('mallory')).length, 0)
  t.equal(await store.destroyByUser('alice'), 2)
  t.same(logged.map(({ message }) => message), [NO_COLUMN])
})

/** Columns that look like the user at `['user', 'sub']`, and are not. */
for (const [what, column] of Object.entries({
  'in lower case': 'text GENERATED ALWAYS AS (lower(sess -> \'user\' ->> \'sub\')) STORED',
  'cut short': 'text GENERATED ALWAYS AS ("left"(sess -> \'user\' ->> \'sub\', 3)) STORED',
  'as JSON': 'text GENERATED ALWAYS AS ((sess -> \'user\' -> \'sub\')::text) STORED',
  'of another column': 'text GENERATED ALWAYS AS (other -> \'user\' ->> \'sub\') STORED',
  'of a part of the session': 'text GENERATED ALWAYS AS (sess -> \'admin\' -> \'user\' ->> \'sub\') STORED',
  'with another beginning': 'text GENERATED ALWAYS AS (\'x\' || (sess -> \'user\' ->> \'sub\')) STORED',
  'with a default': 'text GENERATED ALWAYS AS (COALESCE(sess -> \'user\' ->> \'sub\', \'alice\')) STORED',
  'of some rows': 'text GENERATED ALWAYS AS (CASE WHEN sid < \'b\' THEN sess END -> \'user\' ->> \'sub\') STORED',
  'as a truth': 'boolean GENERATED ALWAYS AS ((sess -> \'user\' ->> \'sub\') = \'alice\') STORED',
  'as a number': 'integer GENERATED ALWAYS AS (length(sess -> \'user\' ->> \'sub\')) STORED',
  'written by another application': 'text'
})) {
  test(`a column user_sub ${what} is not taken for the user`, async (t) => {
    const db = await schema(t, { table: false })
    await db.query(`${theirs}; ALTER TABLE session ADD other json, ADD user_sub ${column}`)
    const { store, set, logged } = sessions(t, { pool: poolOf(t, db.url) })
    await set('a', session({ user: { sub: 'Alice' } }))
    await set('b', session({ user: { sub: 'alice' } }))
    await set('guest', session({ admin: { user: { sub: 'alice' } } }))
    t.equal((await store.listByUser('Alice')).length, 1)
    t.equal((await store.listByUser('alice')).length, 1)
    t.equal((await store.listByUser('ali')).length, 0)
    t.equal(await store.destroyByUser('alice'), 1)
    t.same(logged.map(({ message }) => message), [NO_COLUMN])
  })
}

for (const [what, type, column] of [
  ['json', 'json', 'sess -> \'user\' ->> \'sub\''],
  ['jsonb', 'jsonb', 'sess -> \'user\' ->> \'sub\''],
  ['text', 'text', 'sess::jsonb -> \'user\' ->> \'sub\''],
  ['version 0.2.0', 'json', String.raw`
    (CASE WHEN strpos(sess::text, '\u') = 0 THEN sess
      ELSE regexp_replace(sess::text, '\\u(0000|[dD][89a-fA-F]..)', '\u0020', 'g')::json END)
    -> 'user' ->> 'sub'`]
] as const) {
  test(`a column of ${what} with any name is the user, if it is made so`, async (t) => {
    const db = await schema(t, { table: false })
    await db.query(theirs.replace('json NOT NULL', `${type} NOT NULL`))
    await db.query(`ALTER TABLE session ADD "Owner" varchar(255) GENERATED ALWAYS AS (${column}) STORED`)
    const { store, set, logged } = sessions(t, { pool: poolOf(t, db.url) })
    await set('a', session({ user: { sub: 'alice' } }))
    t.equal((await store.listByUser('alice')).length, 1)
    t.same(logged, [])
  })
}

test('isGeneratedFrom compares the keys in full', (t) => {
  const expression = '((sess -> \'user\'::text) ->> \'sub\'::text)'
  t.ok(isGeneratedFrom(expression, ['user', 'sub']))
  for (const path of [
    ['user'], ['sub'], ['user', 'su'], ['user', 'sub', 'x'], ['user', 'sub\'::text)'], ['use', 'sub']
  ]) {
    t.notOk(isGeneratedFrom(expression, path), path.join())
  }
  t.equal(userColumn(['user', 'sub']), 'user_sub')
  t.end()
})
