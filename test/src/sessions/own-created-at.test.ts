import original from 'connect-pg-simple'
import expressSession from 'express-session'
import { promisify } from 'node:util'
import { test } from 'tap'
import { browser, signIn } from '../../support/browser.js'
import { server } from '../../support/server.js'
import { testTable } from '../../support/tables.js'
import { about, NOW, poolOf, rows, schema, session, sessions, type Db } from './harness.js'

/** In seconds. */
const ABSOLUTE_TTL = 3600

/** What applications keep in `createdAt`. */
const VALUES: Record<string, () => unknown> = {
  'in seconds': () => Math.floor(Date.now() / 1000),
  'as an ISO text': () => new Date().toISOString(),
  'in milliseconds, long ago': () => Date.parse('2019-05-01'),
  'as a text of milliseconds': () => String(Date.now()),
  'in milliseconds, in the future': () => Date.now() + 31_536_000_000,
  'as an object': () => ({ at: 1 })
}

/** Inserts a row of another store, which expires after this many seconds. */
async function insert (db: Db, sess: unknown, seconds = 900): Promise<void> {
  await db.query(
    `INSERT INTO session (sid, sess, expire) VALUES ('id', $1, ${NOW} + $2 * interval '1 second')`,
    [JSON.stringify(sess), seconds]
  )
}

/** The session in the only row. */
async function stored (db: Db): Promise<Record<string, unknown>> {
  const [row] = await rows(db)
  return JSON.parse(row?.sess ?? '{}') as Record<string, unknown>
}

for (const [what, make] of Object.entries(VALUES)) {
  test(`a new session with its own createdAt ${what} lives its lifetimes`, async (t) => {
    const db = await schema(t)
    const { store, set, load } = sessions(t, { conString: db.url, absoluteTtl: ABSOLUTE_TTL })
    const createdAt = make()
    await set('id', session({ createdAt }, 900))

    t.ok(about((await rows(db))[0]?.left, 900))
    const loaded = await load('id')
    t.strictSame(loaded['createdAt'], createdAt)
    t.ok(about((store.createdAt(loaded) ?? 0) / 1000, Date.now() / 1000))
    await set('id', Object.assign(loaded, { n: 1 }))
    t.match(await load('id'), { createdAt, n: 1 })
    t.ok(about((await rows(db))[0]?.left, 900))
  })

  test(`a row of another store with a createdAt ${what} lives its lifetimes`, async (t) => {
    const db = await schema(t)
    const { store, set, load, touch, length } = sessions(t, {
      conString: db.url, absoluteTtl: ABSOLUTE_TTL, touchInterval: 1
    })
    await length()
    const createdAt = make()
    await insert(db, { cookie: { originalMaxAge: null }, user: 'alice', createdAt }, 600)

    const loaded = await load('id')
    t.match(loaded, { user: 'alice', createdAt })
    await touch('id', loaded)
    t.ok(about((await rows(db))[0]?.left, 900))
    await set('id', Object.assign(await load('id'), { n: 1 }))
    const created = store.createdAt(await load('id'))
    t.match(await load('id'), { user: 'alice', createdAt, n: 1 })
    t.ok(about((created ?? 0) / 1000, Date.now() / 1000))
    t.match(await stored(db), { createdAt, '~store': { created } })
  })
}

test('a row of version 0.2.0 goes on with its absolute lifetime', async (t) => {
  const db = await schema(t)
  const { store, set, load, touch, get, length } = sessions(t, {
    conString: db.url, absoluteTtl: ABSOLUTE_TTL, touchInterval: 1
  })
  await length()
  const createdAt = Date.now() - 3_000_000
  await insert(db, { cookie: { originalMaxAge: null }, user: 'alice', createdAt }, 500)

  const loaded = await load('id')
  t.equal(store.createdAt(loaded), createdAt)
  await touch('id', loaded)
  t.ok(about((await rows(db))[0]?.left, 600), 'a touch keeps to it')
  await set('id', Object.assign(await load('id'), { n: 1 }))
  t.match(await stored(db), { createdAt, '~store': { created: createdAt } })
  t.equal(store.createdAt(await load('id')), createdAt)
  t.ok(about((await rows(db))[0]?.left, 600))

  await db.query(`UPDATE session SET expire = ${NOW} - interval '1 second'`)
  t.equal(await get('id'), null)
})

test('a key ~store cannot be stored by an application', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url, absoluteTtl: ABSOLUTE_TTL })
  for (const value of [{ created: 1 }, null, 0, 'text']) {
    await t.rejects(set('new', session({ '~store': value })), { code: 'ERR_SESSION_VALUE' })
  }
  await set('id', session({ user: 'alice' }))
  const loaded = await load('id')
  await t.rejects(set('id', { ...loaded, '~store': {} }), { code: 'ERR_SESSION_VALUE' })
  t.match(await load('id'), { user: 'alice' })
  await set('nested', session({ nested: { '~store': { created: 1 } } }))
  t.match(await load('nested'), { nested: { '~store': { created: 1 } } })
})

test('the time of creation survives a change by connect-pg-simple', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, absoluteTtl: ABSOLUTE_TTL })
  await set('id', session({ user: 'alice' }, 900))
  const created = store.createdAt(await load('id'))
  const pool = poolOf(t, db.url, { max: 2 })
  const theirs = new (original(expressSession))({ pool, pruneSessionInterval: false })
  const found = await promisify(theirs.get.bind(theirs))('id') as expressSession.SessionData
  await promisify(theirs.set.bind(theirs))('id', Object.assign(found, { theirs: true }))

  const loaded = await load('id')

  t.equal(store.createdAt(loaded), created)
  t.same(Object.keys(loaded).sort(), ['cookie', 'theirs', 'user'])
  await set('id', Object.assign(loaded, { ours: true }))
  t.equal(store.createdAt(await load('id')), created)
  t.match(await load('id'), { user: 'alice', theirs: true, ours: true })
})

if (testTable === 'plain') {
  for (const createdAt of [1_500_000_000, '2017-07-14T02:40:00.000Z', null]) {
    test(`GET /api/auth/me of an old row with the createdAt ${createdAt} is 200`, async (t) => {
      const { url, database } = await server(t)
      const user = browser()
      await signIn(user, url)
      await database.query(`
        UPDATE session
        SET sess = ((sess::jsonb - '~store') || $1::jsonb)::json`, [JSON.stringify({ createdAt })])

      const page = await user.get(`${url}/api/auth/me`)

      t.equal(page.status, 200)
      const me = JSON.parse(page.text) as Record<string, string>
      t.ok(about(Date.parse(me['createdAt'] ?? '') / 1000, Date.now() / 1000))
      t.ok(Date.parse(me['absoluteExpiresAt'] ?? '') > Date.now())
    })
  }
}
