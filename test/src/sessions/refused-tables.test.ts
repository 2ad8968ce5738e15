/**
 * Tables that the store cannot use, and tables that change while it runs. found-tables.test.ts has those that it uses.
 *
 * @module
 */
import { test } from 'tap'
import { SessionTableError } from '../../../src/sessions/errors.js'
import { database, withSetting } from '../../support/database.js'
import { about, poolOf, rows, schema, session, sessions, type Db } from './harness.js'

const KEY = 'a test key of 32 bytes or more, for ids'

const table = ({
  sid = 'sid varchar PRIMARY KEY', sess = 'sess json NOT NULL', expire = 'expire timestamp(6) NOT NULL', more = ''
} = {}) => `CREATE TABLE session (${[sid, sess, expire, more].filter((part) => part !== '').join()})`

/** What each table lacks, its SQL, and what the error says. */
const refused: Record<string, [sql: string, names: RegExp, hashIds?: string]> = {
  'no columns': ['CREATE TABLE session ()', /"session" has no column "sid"/],
  'no column sid': [table({ sid: 'id varchar PRIMARY KEY' }), /"session" has no column "sid"/],
  'no column sess': [table({ sess: '' }), /"session" has no column "sess"/],
  'no column expire': [table({ expire: '' }), /"session" has no column "expire"/],
  'a sid without an index': [table({ sid: 'sid varchar' }), /"sid" of "session" .* unique/],
  'a sid with an index that is not unique': [
    `${table({ sid: 'sid varchar' })}; CREATE INDEX ON session (sid)`, /"sid" of "session" .* unique/
  ],
  'a sid that is unique only with another column': [
    table({ sid: 'sid varchar', more: 'UNIQUE (sid, expire)' }), /"sid" of "session" .* unique/
  ],
  'a sid that is unique in some rows': [
    `${table({ sid: 'sid varchar' })}; CREATE UNIQUE INDEX ON session (sid) WHERE expire < '2000-01-01'`,
    /"sid" of "session" .* unique/
  ],
  'a sid that is unique in lower case': [
    `${table({ sid: 'sid varchar' })}; CREATE UNIQUE INDEX ON session (lower(sid))`, /"sid" of "session" .* unique/
  ],
  'a sid whose uniqueness is deferrable': [
    table({ sid: 'sid varchar UNIQUE DEFERRABLE' }), /"sid" of "session" .* unique/
  ],
  'a sid of type uuid': [table({ sid: 'sid uuid PRIMARY KEY' }), /"sid" of "session" is of type uuid/],
  'a sid of type char': [table({ sid: 'sid char(64) PRIMARY KEY' }), /"sid" of "session" is of type character/],
  'a sess of type bytea': [table({ sess: 'sess bytea' }), /"sess" of "session" is of type bytea/],
  'an expire of type integer': [table({ expire: 'expire integer' }), /"expire" of "session" is of type integer/],
  'an expire of type bigint': [table({ expire: 'expire bigint' }), /"expire" of "session" is of type bigint/],
  'an expire of type date': [table({ expire: 'expire date' }), /"expire" of "session" is of type date/],
  'another column that is NOT NULL': [
    table({ more: 'tenant integer NOT NULL' }), /"tenant" of "session" is NOT NULL and has no default/
  ],
  'a sid of 20 characters for hashed ids': [
    table({ sid: 'sid varchar(20) PRIMARY KEY' }), /"sid" of "session" holds 20 characters/, KEY
  ],
  'a view': [
    'CREATE TABLE stored (sid varchar); CREATE VIEW session AS SELECT * FROM stored', /"session" is not a table/
  ],
  'a materialized view': ['CREATE MATERIALIZED VIEW session AS SELECT 1 AS sid', /"session" is not a table/]
}

for (const [what, [sql, names, hashIds = false]] of Object.entries(refused)) {
  test(`a table with ${what} is refused by name, by every call`, async (t) => {
    const db = await schema(t, { table: false })
    await db.query(sql)
    const { get, set, store } = sessions(t, { pool: poolOf(t, db.url), hashIds })
    for (const call of [() => set('id', session()), () => get('id'), () => store.prune(), () => store.createTable()]) {
      const error: unknown = await Promise.resolve(call()).catch((error: unknown) => error)
      t.match(error, { code: 'ERR_DATABASE', statusCode: 503, cause: { name: 'SessionTableError', message: names } })
      t.ok((error as Error).cause instanceof SessionTableError)
    }
  })
}

test('other columns may be nullable, or have a default, an identity or an expression', async (t) => {
  const db = await schema(t, { table: false })
  await db.query(table({
    more: `
      note text,
      made timestamptz NOT NULL DEFAULT now(),
      n integer GENERATED ALWAYS AS IDENTITY,
      serial bigserial,
      size integer NOT NULL GENERATED ALWAYS AS (length(sid)) STORED`
  }))
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', session({ n: 1 }))
  t.match(await load('id'), { n: 1 })
})

test('a sid of 20 characters is long enough for ids that are', async (t) => {
  const db = await schema(t, { table: false })
  await db.query(table({ sid: 'sid varchar(20) PRIMARY KEY' }))
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await set('x'.repeat(20), session({ n: 1 }))
  t.match(await load('x'.repeat(20)), { n: 1 })
})

test('a table that was refused is used once it is changed', async (t) => {
  const db = await schema(t, { table: false })
  await db.query(table({ expire: 'expire integer' }))
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await t.rejects(set('id', session()), { cause: { name: 'SessionTableError' } })
  await db.query('ALTER TABLE session ALTER expire TYPE timestamptz USING to_timestamp(expire)')
  await set('id', session({ n: 1 }))
  t.match(await load('id'), { n: 1 })
})

const TO_TIMESTAMPTZ = 'ALTER TABLE session ALTER expire TYPE timestamptz USING expire AT TIME ZONE \'utc\''
const TO_TIMESTAMP = 'ALTER TABLE session ALTER expire TYPE timestamp USING expire AT TIME ZONE \'utc\''
const TO_JSONB = 'ALTER TABLE session ALTER sess TYPE jsonb USING sess::jsonb'
const TO_JSON = 'ALTER TABLE session ALTER sess TYPE json USING sess::json'
const TO_TEXT = 'ALTER TABLE session ALTER sess TYPE text USING sess::text'
const ADD_USER = 'ALTER TABLE session ADD user_sub varchar GENERATED ALWAYS AS (sess -> \'user\' ->> \'sub\') STORED'

const changes: Record<string, string[]> = {
  'sess becomes jsonb, then text, then json': [TO_JSONB, TO_TEXT, TO_JSON],
  'sess becomes text, then jsonb, then json': [TO_TEXT, TO_JSONB, TO_JSON],
  'expire becomes timestamptz, then timestamp': [TO_TIMESTAMPTZ, TO_TIMESTAMP],
  'the column of the user is added, then dropped': [ADD_USER, 'ALTER TABLE session DROP user_sub']
}

for (const preparedStatements of [false, true]) {
  for (const zone of ['America/Los_Angeles', 'Asia/Kuala_Lumpur']) {
    for (const [what, steps] of Object.entries(changes)) {
      test(`${what}, while the store runs in ${zone}${preparedStatements ? ', prepared' : ''}`, async (t) => {
        const db = await database(t)
        await db.query(`${table()}; CREATE INDEX ON session (expire)`)
        const url = await withSetting(t, db, 'timezone', zone)
        for (const first of Object.keys(calls)) await afterEach(first, steps, { db, url })

        async function afterEach (first: string, steps: string[], { db, url }: { db: Db, url: string }) {
          const pool = poolOf(t, url, { max: 2 })
          for (const sql of steps) {
            await db.query('DELETE FROM session')
            const { store, ...methods } = sessions(t, { pool, preparedStatements, absoluteTtl: 3600 })
            for (const id of ['loaded', 'touched', 'consumed', 'destroyed']) {
              await methods.set(id, session({ user: { sub: 'alice' } }, 600))
            }
            await methods.set('expired', session({}, 600))
            await db.query('UPDATE session SET expire = expire - interval \'601 s\' WHERE sid = \'expired\'')
            const loaded = await methods.load('loaded')
            await store.listByUser('alice')
            await db.query(sql)
            await calls[first]?.({ store, ...methods, loaded })
            const left = (await rows(db)).filter(({ sid }) => !sid.startsWith('lease.'))
            for (const row of left) {
              const seconds = row.sid === 'expired' ? -1 : 600
              t.ok(about(row.left, seconds), `${row.sid} after ${first} and ${sql}: ${row.left}`)
            }
            t.ok(left.some(({ sid }) => sid === 'loaded'), `live after ${first} and ${sql}`)
            t.equal(await methods.get('expired'), null)
          }
          // As they were.
          await db.query(`${TO_JSON}; ALTER TABLE session DROP IF EXISTS user_sub`)
        }
      })
    }
  }
}

type Methods = Omit<ReturnType<typeof sessions>, 'logged'> & { loaded: ReturnType<typeof session> }

/** The first call after the change. Each must see and write what is right. */
const calls: Record<string, (methods: Methods) => Promise<unknown>> = {
  get: ({ load }) => load('loaded'),
  set: ({ set }) => set('new', session({ user: { sub: 'bob' } }, 600)),
  change: ({ set, loaded }) => set('loaded', Object.assign(loaded, { changed: true })),
  touch: ({ touch }) => touch('touched', session({}, 600)),
  prune: ({ store }) => store.prune(),
  length: ({ length }) => length(),
  consume: ({ store }) => store.consume('consumed'),
  replace: ({ store }) => store.replace('replacing', session({}, 600), ['destroyed']),
  destroy: ({ destroy }) => destroy('destroyed'),
  listByUser: ({ store }) => store.listByUser('alice'),
  lease: ({ store }) => store.acquireLease('id', 1000)
}

test('a table that is dropped while the store runs is made again, if the store may', async (t) => {
  const db = await schema(t, { table: false })
  const { set, get, load, store } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', session({ n: 1 }))
  await db.query('DROP TABLE session')
  t.equal(await get('id'), null)
  await db.query(`DROP TABLE session; ${table({ sess: 'sess jsonb', expire: 'expire timestamptz' })}`)
  await set('id', session({ n: 2 }, 600))
  t.match(await load('id'), { n: 2 })
  t.ok(about((await rows(db))[0]?.left, 600))
  t.equal(await store.prune(), 0)
})

test('createTable creates the table while a call finds out that it is missing', async (t) => {
  const db = await schema(t, { table: false })
  // With one connection, the call looks first, and is still looking when the table is to be created.
  const { get, store } = sessions(t, { pool: poolOf(t, db.url, { max: 1 }), createTableIfMissing: false })
  const finding = get('id')
  await new Promise((resolve) => { setImmediate(resolve) })
  const [found, created] = await Promise.allSettled([finding, store.createTable()])
  t.match(created, { status: 'fulfilled' })
  t.match(found, { status: 'rejected', reason: { code: 'ERR_DATABASE' } })
  t.equal(await get('id'), null)
})
