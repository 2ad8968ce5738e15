/**
 * Session tables that other packages and copied schemas make. docs/migrating.md says which of them
 * work, and has the SQL for those that have to be changed first.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { escapeIdentifier } from 'pg'
import { test, type Test } from 'tap'
import { database, withSetting } from '../../support/database.js'
import { rootUrl } from '../../support/root.js'
import { makeTable } from '../../support/tables.js'
import { about, poolOf, rows, session, sessions, type Db } from './harness.js'

const guide = await readFile(new URL('docs/migrating.md', rootUrl), 'utf8')
const theirs = await readFile(createRequire(import.meta.url).resolve('connect-pg-simple/table.sql'), 'utf8')

interface Found {
  create: (db: Db) => Promise<unknown>
  /** Default: `session`. */
  tableName?: string
  /** Writes the session `theirs` as the package does. */
  row?: string
}

const sql = (text: string) => ({ create: (db: Db) => db.query(text) })

const layout = (sess: string, expire: string, table = 'session') => sql(`
  CREATE TABLE ${table} (sid varchar PRIMARY KEY, sess ${sess} NOT NULL, expire ${expire} NOT NULL);
  CREATE INDEX "IDX_session_expire" ON ${table} (expire)`)

const asItIs: Record<string, Found> = {
  'connect-pg-simple\'s table': sql(theirs),
  'connect-pg-simple\'s table under another name': {
    ...sql(theirs.replaceAll(/(TABLE|ON) "session"/g, '$1 "user_sessions"')),
    tableName: 'user_sessions'
  },
  'sess jsonb': { ...layout('jsonb', 'timestamp(6)', 'sessions'), tableName: 'sessions' },
  'sess text': layout('text', 'timestamp(6)'),
  'expire timestamptz': layout('json', 'timestamptz'),
  'sess jsonb, expire timestamptz': layout('jsonb', 'timestamptz'),
  'partitioned by the hash of sid': { create: (db) => makeTable(db.query, 'partitioned') },
  'a table with a child': { create: (db) => makeTable(db.query, 'inherited') },
  'an UNLOGGED table': sql(theirs.replace('CREATE TABLE', 'CREATE UNLOGGED TABLE'))
}

const CONTENT = '{"cookie":{"originalMaxAge":900000},"user":{"sub":"bob"}}'

/** The layout of each package, as its documentation and its code have it. */
const changed: Record<string, Found> = {
  'connect-session-knex\'s table': {
    ...sql(`
      CREATE TABLE sessions (
        sid varchar(255) NOT NULL PRIMARY KEY, sess json NOT NULL, expired timestamptz NOT NULL
      );
      CREATE INDEX sessions_expired_index ON sessions (expired)`),
    tableName: 'sessions',
    row: `INSERT INTO sessions VALUES ('theirs', '${CONTENT}', now() + interval '900 s')`
  },
  'connect-session-sequelize\'s table': {
    ...sql(`
      CREATE TABLE "Sessions" (
        sid varchar(36) PRIMARY KEY,
        expires timestamptz,
        data text,
        "createdAt" timestamptz NOT NULL,
        "updatedAt" timestamptz NOT NULL
      )`),
    tableName: 'Sessions',
    row: `INSERT INTO "Sessions" VALUES ('theirs', now() + interval '900 s', '${CONTENT}', now(), now())`
  },
  'connect-typeorm\'s table': {
    ...sql(`
      CREATE TABLE session (
        "expiredAt" bigint NOT NULL,
        id varchar(255) NOT NULL PRIMARY KEY,
        json text NOT NULL,
        "destroyedAt" timestamp
      );
      CREATE INDEX "IDX_28c5d1d16da7908c97c9bc2f74" ON session ("expiredAt")`),
    row: `INSERT INTO session VALUES
      (extract(epoch FROM now()) * 1000 + 900000, 'theirs', '${CONTENT}', NULL),
      (extract(epoch FROM now()) * 1000 + 900000, 'destroyed', '${CONTENT}', timezone('utc', now()))`
  },
  'prisma-session-store\'s table': {
    ...sql(`
      CREATE TABLE "Session" (
        id text NOT NULL,
        sid text NOT NULL,
        data text NOT NULL,
        "expiresAt" timestamp(3) NOT NULL,
        CONSTRAINT "Session_pkey" PRIMARY KEY (id)
      );
      CREATE UNIQUE INDEX "Session_sid_key" ON "Session" (sid)`),
    tableName: 'Session',
    row: `INSERT INTO "Session"
      VALUES ('theirs', 'theirs', '${CONTENT}', timezone('utc', now()) + interval '900 s')`
  }
}

/** The block of SQL in the guide below the bold name of the package. */
function conversion (name: string): string {
  const [, block] = new RegExp(`\\n\\*\\*${name}\\*\\*[^*]*?\`\`\`sql\\n(.*?)\`\`\``, 's').exec(guide) ?? []
  if (block === undefined) throw new Error(`the guide has no SQL for ${name}`)
  return block
}

/** Two stores whose connections have different time zones use the table. */
async function isUsable (t: Test, db: Db, tableName: string): Promise<void> {
  const table = escapeIdentifier(tableName)
  const options = { tableName, createTableIfMissing: false, absoluteTtl: 3600 }
  const far = await withSetting(t, db, 'timezone', 'Asia/Kuala_Lumpur')
  const here = sessions(t, { pool: poolOf(t, far), ...options })
  const there = sessions(t, { pool: poolOf(t, db.url), ...options })
  const left = async (id: string) => (await rows(db, table)).find(({ sid }) => sid === id)?.left

  await here.set('id', session({ user: { sub: 'alice' }, zebra: 1, a: [1.5e-7] }, 900))
  t.ok(about(await left('id'), 900))
  const loaded = await there.load('id')
  t.ok(about(((loaded.cookie?.expires as Date).getTime() - Date.now()) / 1000, 900))
  t.match(loaded, { zebra: 1, a: [1.5e-7] })
  const meanwhile = await here.load('id')
  await there.set('id', Object.assign(loaded, { step: 1 }))
  await here.set('id', Object.assign(meanwhile, { other: 2 }))
  t.match(await here.load('id'), { user: { sub: 'alice' }, step: 1, other: 2 })

  for (const one of [here, there]) {
    await db.query(`UPDATE ${table} SET expire = expire - interval '300 s' WHERE sid = 'id'`)
    await one.set('id', Object.assign(await one.load('id'), {
      cookie: { originalMaxAge: 900_000, expires: new Date(Date.now() + 900_000) }
    }))
    t.ok(about(await left('id'), 900), 'touched')
    await one.touch('id', session({}, 1800))
    t.ok(about(await left('id'), 1800), 'touched without having been loaded')
  }

  const hashed = sessions(t, { pool: poolOf(t, far), hashIds: 'k'.repeat(32), ...options })
  await hashed.touch('id', session({}, 900))
  t.match(await hashed.load('id'), { user: { sub: 'alice' }, step: 1 })
  t.equal((await here.store.listByUser('alice')).length, 1)
  t.equal(await here.store.destroyByUser('alice'), 1)
  t.equal(await hashed.get('id'), null)

  await here.store.put('login', { state: 'x' }, 60)
  t.match(await there.store.consume('login'), { state: 'x' })
  t.match(await here.store.acquireLease('id', 10_000), { acquired: true })
  t.match(await there.store.acquireLease('id', 10_000), { acquired: false })
  await here.clear()
  await there.store.replace('new', session({ n: 1 }, 900), ['id'])
  await here.set('old', session({ n: 2 }, 900))
  await db.query(`UPDATE ${table} SET expire = expire - interval '901 s' WHERE sid = 'old'`)
  t.equal(await there.length(), 1)
  t.equal(await there.store.prune(), 1)
  await here.destroy('new')
  t.same(await rows(db, table), [])
}

for (const [name, { create, tableName = 'session' }] of Object.entries(asItIs)) {
  test(`${name} works as it is`, async (t) => {
    const db = await database(t)
    await create(db)
    await isUsable(t, db, tableName)
  })
}

for (const [name, { create, tableName = 'session', row = '' }] of Object.entries(changed)) {
  test(`${name} works after the SQL of the guide, and keeps its sessions`, async (t) => {
    const db = await database(t)
    await create(db)
    await db.query(row)
    await db.query(conversion(name))
    const { load } = sessions(t, { conString: db.url, tableName })
    t.match(await load('theirs'), { user: { sub: 'bob' }, cookie: { originalMaxAge: 900_000 } })
    const stored = await rows(db, escapeIdentifier(tableName))
    t.match(stored, [{ sid: 'theirs' }])
    t.ok(about(stored[0]?.left, 900))
    await db.query(`DELETE FROM ${escapeIdentifier(tableName)}`)
    await isUsable(t, db, tableName)
  })

  test(`${name} as it is fails every write, and is not changed`, async (t) => {
    const db = await database(t)
    await create(db)
    await db.query(row)
    const content = () => db.query(`SELECT * FROM ${escapeIdentifier(tableName)}`)
    const before = await content()
    const { set, destroy, store } = sessions(t, { conString: db.url, tableName })
    await t.rejects(set('x'.repeat(32), session({ a: 1 }, 900)))
    await t.rejects(store.prune())
    await destroy('unknown').catch(() => {})
    t.same(await content(), before)
  })
}

test('a table that is partitioned by expire is refused', async (t) => {
  const db = await database(t)
  await db.query(`
    CREATE TABLE session (
      sid varchar NOT NULL, sess json NOT NULL, expire timestamp(6) NOT NULL, PRIMARY KEY (sid, expire)
    ) PARTITION BY RANGE (expire);
    CREATE TABLE session_rest PARTITION OF session DEFAULT`)
  const { set } = sessions(t, { conString: db.url })
  await t.rejects(set('id', session({ a: 1 }, 900)))
  t.same(await rows(db), [])
})
