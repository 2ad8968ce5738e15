import { test } from 'tap'
import { SessionTableError } from '../../../src/sessions/index.js'
import { schema, session, sessions } from './harness.js'

const EXPIRE = 'expire timestamp NOT NULL'

for (const [name, sql, reason, hashIds] of [
  ['no column expire', 'CREATE TABLE session (sid varchar PRIMARY KEY, sess json)', /no column "expire"/],
  ['no column sid', `CREATE TABLE session (id varchar PRIMARY KEY, sess json, ${EXPIRE})`, /no column "sid"/],
  ['sid a uuid', `CREATE TABLE session (sid uuid PRIMARY KEY, sess json, ${EXPIRE})`, /"sid" .* type uuid/],
  ['sess bytea', `CREATE TABLE session (sid varchar PRIMARY KEY, sess bytea, ${EXPIRE})`, /"sess" .* type bytea/],
  ['expire an integer', 'CREATE TABLE session (sid text PRIMARY KEY, sess json, expire int)', /"expire" .* integer/],
  ['sid not unique', `CREATE TABLE session (sid varchar, sess json, ${EXPIRE})`, /"sid" .* no unique index/],
  [
    'sid unique with another column', `CREATE TABLE session (sid varchar, sess json, ${EXPIRE}, UNIQUE (sid, expire))`,
    /"sid" .* no unique index/
  ],
  [
    'a partial unique index', `CREATE TABLE session (sid varchar, sess json, ${EXPIRE});
      CREATE UNIQUE INDEX ON session (sid) WHERE sid > 'a'`, /"sid" .* no unique index/
  ],
  [
    'a deferrable key', `CREATE TABLE session (sid varchar PRIMARY KEY DEFERRABLE, sess json, ${EXPIRE})`,
    /"sid" .* no unique index/
  ],
  [
    'a required column', `CREATE TABLE session (sid varchar PRIMARY KEY, sess json, ${EXPIRE}, owner text NOT NULL)`,
    /"owner" .* NOT NULL/
  ],
  [
    'a view', `CREATE TABLE rows (sid varchar PRIMARY KEY, sess json, ${EXPIRE});
      CREATE VIEW session AS SELECT * FROM rows`, /not a table/
  ],
  [
    'a short sid', `CREATE TABLE session (sid varchar(20) PRIMARY KEY, sess json, ${EXPIRE})`,
    /"sid" .* 20 characters/, 'k'.repeat(32)
  ]
] as const) {
  test(`a table with ${name} is refused by name`, async (t) => {
    const db = await schema(t, { table: false })
    await db.query(sql)
    const { set, get, store } = sessions(t, { conString: db.url, hashIds: hashIds ?? false })
    for (const call of [() => get('id'), () => set('id', session()), () => store.createTable(), () => store.ping()]) {
      const error = await call().then(() => undefined, (thrown: Error) => thrown)
      t.match(error, { code: 'ERR_DATABASE', statusCode: 503 })
      t.ok(error?.cause instanceof SessionTableError)
      t.match(error?.cause, { message: reason })
      t.match(error?.cause, { message: /"session"/ })
    }
  })
}

test('a column with a default, and one that may be null, are left alone', async (t) => {
  const db = await schema(t, { table: false })
  await db.query(`CREATE TABLE session (
    sid varchar PRIMARY KEY, sess json, ${EXPIRE}, note text, created timestamptz NOT NULL DEFAULT now()
  )`)
  const { set, load } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }))
  t.match(await load('id'), { user: 'alice' })
})

for (const [name, sql] of Object.entries({
  'sess becomes jsonb': 'ALTER TABLE session ALTER sess TYPE jsonb',
  'expire becomes timestamptz': 'ALTER TABLE session ALTER expire TYPE timestamptz USING expire AT TIME ZONE \'UTC\'',
  'the table is made again': 'DROP TABLE session',
  'the column of the user goes': 'ALTER TABLE session DROP COLUMN user_sub'
})) {
  test(`calls succeed after ${name}`, async (t) => {
    const db = await schema(t, { table: false })
    const { store, set, load, touch, destroy } = sessions(t, { conString: db.url, touchInterval: 0.001, ttl: 900 })
    await set('id', session({ user: { sub: 'alice' } }))
    if (sql.includes('ALTER sess')) await db.query('ALTER TABLE session DROP COLUMN user_sub')
    await db.query(sql)
    await set('new', session({ user: { sub: 'alice' } }, 900))
    const loaded = await load('new')
    await touch('new', loaded)
    await set('new', Object.assign(loaded, { step: 1 }))
    t.match(await load('new'), { step: 1 })
    t.ok((await store.listByUser('alice')).length >= 1)
    await destroy('new')
    await store.prune()
  })
}
