import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { about, NOW, poolOf, rows, schema, session, sessions, type Db } from './harness.js'
import { rootUrl } from '../../support/root.js'
import { testTable } from '../../support/tables.js'

const KEY = 'a test key of 32 bytes or more, for ids'

const CONNECT_PG_SIMPLE = `
  CREATE TABLE session (
    sid varchar NOT NULL PRIMARY KEY,
    sess json NOT NULL,
    expire timestamp(6) NOT NULL
  );
  CREATE INDEX "IDX_session_expire" ON session (expire)`

const of = (sub: string, more: Record<string, unknown> = {}, maxAge?: number) =>
  session({ user: { sub }, ...more }, maxAge)
const expired = { originalMaxAge: 1, expires: new Date(0) }

for (const [kind, create, hashIds] of [
  [`the ${testTable} table`, undefined, false],
  [`the ${testTable} table, hashed`, undefined, KEY],
  ['connect-pg-simple\'s table', CONNECT_PG_SIMPLE, false]
] as const) {
  test(`${kind}: destroyByUser ends only that user's sessions, except one`, async (t) => {
    const db = await schema(t, { table: create === undefined })
    if (create !== undefined) await db.query(create)
    const { store, set, get } = sessions(t, { pool: poolOf(t, db.url), hashIds })
    for (const id of ['a1', 'a2', 'a3']) await set(id, of('alice'))
    await set('b1', of('bob'))
    await set('guest', session({ state: 'x' }))
    await set('expired', { ...of('alice'), cookie: expired })

    t.equal(await store.destroyByUser('alice', { except: 'a2' }), 2)

    const live = await Promise.all(
      ['a1', 'a2', 'a3', 'b1', 'guest'].map(async (id) => await get(id) !== null)
    )
    t.same(live, [false, true, false, true, true])
    t.equal((await rows(db)).length, 3, 'the expired session is deleted, but not counted')
    t.equal(await store.destroyByUser('alice'), 1)
    t.equal(await store.destroyByUser('alice'), 0)
    t.equal((await rows(db)).length, 2)
  })

  test(`${kind}: listByUser returns live sessions, without usable ids`, async (t) => {
    const db = await schema(t, { table: create === undefined })
    if (create !== undefined) await db.query(create)
    const { store, set, get } = sessions(t, { pool: poolOf(t, db.url), hashIds })
    for (const [n, maxAge] of [600, 900, 300].entries()) {
      await set(`a${n}`, of('alice', { n }, maxAge))
    }
    await set('expired', { ...of('alice'), cookie: expired })
    await set('b1', of('bob'))

    const found = await store.listByUser('alice')

    t.same(found.map(({ session: { n } }) => n), [1, 0, 2])
    for (const [i, seconds] of [900, 600, 300].entries()) {
      t.ok(about(((found[i]?.expiresAt.getTime() ?? 0) - Date.now()) / 1000, seconds))
    }
    t.equal(new Set(found.map(({ id }) => id)).size, 3)
    for (const { id } of found) {
      t.match(id, /^[\w-]{22}$/)
      t.equal(await get(id), null)
    }
    const again = await store.listByUser('alice')
    t.same(again.map(({ id }) => id), found.map(({ id }) => id), 'ids are stable')
    t.same(await store.listByUser('carol'), [])
  })
}

test('a request cannot restore a session that destroyByUser ended', async (t) => {
  const db = await schema(t)
  const [one, other] = [
    sessions(t, { pool: poolOf(t, db.url) }),
    sessions(t, { pool: poolOf(t, db.url) })
  ]
  await one.set('id', of('alice'))
  const [unchanged, changed] = [await other.load('id'), await other.load('id')]
  changed.n = 1

  t.equal(await one.store.destroyByUser('alice'), 1)
  await Promise.all([
    other.set('id', unchanged),
    other.set('id', changed),
    other.touch('id', unchanged)
  ])

  t.same(await rows(db), [])
})

test('a user is found despite odd strings in the session', async (t) => {
  const db = await schema(t)
  const { store, set, get, touch } = sessions(t, {
    pool: poolOf(t, db.url), absoluteTtl: 3600, touchInterval: 0.001
  })
  const odd = [
    ...(testTable === 'jsonb' ? [] : ['\0', '\ud800', '\udfff x']), // see jsonb.test.ts
    '\\u0000', '\\\\u0000', 'u0000', '\\ud8', '\\udFx', '\\\\udBff', '\\ud83e\\udd8a', '\u{1f98a}',
    '{"user":{"sub":"mallory"}}', '\\"user\\":{'
  ]
  for (const [i, text] of odd.entries()) {
    const user = { name: text, sub: 'alice' }
    const content = { [text]: { user: { sub: 'mallory' } }, text, user }
    await set(`id${i}`, session(content))
  }

  t.equal((await store.listByUser('alice')).length, odd.length)
  t.same(await store.listByUser('mallory'), [])
  for (const [i, text] of odd.entries()) {
    t.match(await get(`id${i}`), { text })
    await touch(`id${i}`, session({}, 600)) // not loaded, so the time of creation is read from the row
  }
  t.equal(await store.destroyByUser('alice'), odd.length)
})

test('a user is found by an identifier with backslashes', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  for (const backslashes of ['', '\\', '\\\\', '\\\\\\']) {
    for (const text of ['u0000', 'ud8', 'ud83e', 'uDFFF', 'u0041']) {
      const sub = backslashes + text
      await set(sub, session({ user: { sub } }))
      t.match(await store.listByUser(sub), { length: 1 }, sub)
      t.equal(await store.destroyByUser(sub), 1, sub)
    }
  }
})

test('a session without a valid user belongs to no user', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  const invalid = [
    undefined, null, 'alice', 1, [], ['alice'], {}, { sub: null }, { sub: '' }, { SUB: 'alice' }
  ]
  for (const [i, user] of invalid.entries()) await set(`id${i}`, session({ user }))

  for (const sub of ['alice', '', 'null', '\0', undefined, null, 1, {}] as string[]) {
    t.same(await store.listByUser(sub), [])
    t.equal(await store.destroyByUser(sub), 0)
  }
  t.equal((await rows(db)).length, 10)
})

test('an invalid row is not listed, but it is ended', async (t) => {
  const db = await schema(t)
  const { store, length, logged } = sessions(t, { pool: poolOf(t, db.url) })
  await length()
  await db.query(
    `INSERT INTO session VALUES ('bad', $1, ${NOW} + interval '1 hour')`,
    ['{"cookie":"text","user":{"sub":"alice"}}']
  )
  t.same(await store.listByUser('alice'), [])
  const others = logged.filter(({ message }) => !message.includes('no column of the user'))
  t.match(others, [{ message: /does not hold a session/ }])
  t.equal(await store.destroyByUser('alice'), 1)
})

test('a session whose user changes is found under the new user only', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', of('alice'))
  await set('id', Object.assign(await load('id'), { user: { sub: 'bob' } }))
  t.same((await store.listByUser('alice')).length, 0)
  t.same((await store.listByUser('bob')).length, 1)
})

test('the guide\'s ALTER TABLE adds the column to connect-pg-simple\'s table', async (t) => {
  const guide = await readFile(new URL('docs/migrating.md', rootUrl), 'utf8')
  const runbook = await readFile(new URL('docs/operations.md', rootUrl), 'utf8')
  const statement = /(ALTER TABLE "session" ADD COLUMN ("user_sub" .*);\n.*;)\n/
  const [, alter = '', column = ''] = statement.exec(guide) ?? []
  t.ok(runbook.includes(`  ${column}\n`))
  const db = await schema(t, { table: false })
  await db.query(CONNECT_PG_SIMPLE)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  await set('before', of('alice'))
  await db.query(alter)
  await set('after', of('alice'))
  t.equal((await store.listByUser('alice')).length, 2)

  const [ours, theirs] = [await schema(t, { table: false }), db]
  await sessions(t, { pool: poolOf(t, ours.url) }).store.createTable()
  const generated = (where: Db) => where.query(`
    SELECT attgenerated, pg_get_expr(adbin, adrelid) AS expression
    FROM pg_attrdef
    JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE attrelid = 'session'::regclass`)
  t.same(await generated(theirs), await generated(ours))
})

test('the column of version 0.2.0 is replaced as CHANGELOG.md has it, while the store is in use', async (t) => {
  const changelog = await readFile(new URL('CHANGELOG.md', rootUrl), 'utf8')
  const guide = await readFile(new URL('docs/migrating.md', rootUrl), 'utf8')
  const [, drop = ''] = /`(ALTER TABLE "session" DROP COLUMN[^`]*)`/.exec(changelog) ?? []
  const [add = ''] = /ALTER TABLE "session" ADD COLUMN "user_sub" .*;\n.*;\n/.exec(guide) ?? []
  const db = await schema(t, { table: false })
  await db.query(CONNECT_PG_SIMPLE)
  await db.query(String.raw`ALTER TABLE session ADD user_sub varchar GENERATED ALWAYS AS (
    (CASE WHEN strpos(sess::text, '\u') = 0 THEN sess
      ELSE regexp_replace(sess::text, '\\u(0000|[dD][89a-fA-F]..)', '\u0020', 'g')::json END)
    -> 'user' ->> 'sub') STORED`)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  await set('before', of('alice'))
  const odd = session({ user: { sub: 'alice' }, path: 'C:\\ud8' })
  await t.rejects(set('after', odd), { code: 'ERR_SESSION_VALUE' })

  await db.query(`${drop}; ${add}`)

  await set('after', odd)
  t.equal((await store.listByUser('alice')).length, 2)
})

test('a user\'s sessions are found by an index', async (t) => {
  const db = await schema(t, { table: false })
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', of('alice'))
  await db.query(`INSERT INTO session (sid, sess, expire)
    SELECT 'other' || n,
      json_build_object('user', json_build_object('sub', n::text)),
      timezone('utc', now()) + interval '1 day'
    FROM generate_series(1, 20000) AS n`)
  await db.query('ANALYZE session')

  t.equal((await store.listByUser('7')).length, 1)
  t.equal(await store.destroyByUser('8'), 1)

  const plan = await db.query('EXPLAIN DELETE FROM session WHERE user_sub = \'9\'')
  t.match(JSON.stringify(plan), /IDX_session_user_sub/)
})
