import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { database, withSetting } from '../../support/database.js'
import { pooled } from '../../support/pgbouncer.js'
import { stoppablePostgres } from '../../support/stoppable-postgres.js'
import {
  about, age, inProcess, NOW, poolOf, rows, schema, session, sessions, withTable, type Db
} from './harness.js'

test('an idle session is not served while its row still exists', async (t) => {
  const db = await schema(t)
  const { set, get, all, length } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }, 60))
  t.match(await get('id'), { user: 'alice' })
  await age(db)
  t.equal(await get('id'), null)
  t.same(await all(), [])
  t.equal(await length(), 0)
  t.match(await rows(db), [{ sid: 'id' }])
})

test('the cookie\'s expiry takes precedence over ttl', async (t) => {
  const db = await schema(t)
  const { set } = sessions(t, { conString: db.url, ttl: 100 })
  await set('long', session({}, 86_400))
  await set('short', session({}, 50))
  const found = await rows(db)
  t.same(
    found.map(({ sid, left }) => [sid, about(left, sid === 'long' ? 86_400 : 50)]),
    [['long', true], ['short', true]]
  )
})

test('a cookie\'s expiry may be a string', async (t) => {
  const db = await schema(t)
  const { set } = sessions(t, { conString: db.url })
  await set('id', { cookie: { expires: new Date(Date.now() + 50_000).toISOString() } })
  t.ok(about((await rows(db))[0]?.left, 50))
})

const unusable = [
  undefined, {}, { expires: null }, { expires: 'nonsense' }, { expires: new Date(NaN) }
]
for (const cookie of unusable) {
  const what = cookie === undefined ? 'no cookie' : `the cookie ${JSON.stringify(cookie)}`
  test(`a session lives for ttl with ${what}`, async (t) => {
    const db = await schema(t)
    const { set } = sessions(t, { conString: db.url, ttl: 100 })
    await set('id', cookie === undefined ? {} : { cookie })
    t.ok(about((await rows(db))[0]?.left, 100))
  })
}

test('a session lives for 900 s without ttl', async (t) => {
  const db = await schema(t)
  await sessions(t, { conString: db.url }).set('id', session())
  t.ok(about((await rows(db))[0]?.left, 900))
})

for (const expires of [new Date(Date.now() - 1000), new Date(0), new Date(-8.64e15)]) {
  test(`a cookie that expired in the year ${expires.getUTCFullYear()} ends the session`, async (t) => {
    const { set, get, load } = sessions(t, { conString: (await schema(t)).url })
    await set('new', { cookie: { expires } })
    t.equal(await get('new'), null)
    await set('old', session({}, 900))
    const loaded = await load('old')
    await set('old', Object.assign(loaded, { cookie: { expires, originalMaxAge: 900_000 } }))
    t.equal(await get('old'), null)
  })
}

test('the latest possible cookie expiry is accepted', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url })
  await set('id', { cookie: { expires: new Date(8.64e15) }, user: 'alice' })
  t.match(await load('id'), { user: 'alice' })
})

test('get returns the row\'s expiry, not the one inside the session', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url })
  await set('id', session({}, 900))
  await db.query('UPDATE session SET expire = expire + interval \'1 hour\'')
  const { cookie } = await load('id')
  t.ok(
    cookie?.expires instanceof Date &&
    about((cookie.expires.getTime() - Date.now()) / 1000, 4500)
  )
})

test('a cookie with a shorter lifetime brings the expiry forward', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url })
  await set('id', session({}, 900))
  const loaded = await load('id')
  loaded.cookie = { originalMaxAge: 900_000, expires: new Date(Date.now() + 100_000) }
  await set('id', loaded)
  t.ok(about((await rows(db))[0]?.left, 100))
})

test('the time of creation is database time, kept only with an absolute lifetime', async (t) => {
  const db = await schema(t)
  const [without, limited] = [
    sessions(t, { conString: db.url }),
    sessions(t, { conString: db.url, absoluteTtl: 3600 })
  ]
  const [one, two] = [session({ user: 'alice' }), session({ user: 'bob' })]
  await without.set('without', one)
  const { now: right } = Date
  t.teardown(() => { Date.now = right })
  Date.now = () => right() + 7_200_000
  await limited.set('limited', two)
  Date.now = right
  t.equal(without.store.createdAt(await without.load('without')), undefined)
  t.equal(without.store.createdAt(one), undefined)
  const loaded = await limited.load('limited')
  t.same(Object.keys(loaded).sort(), ['cookie', 'user'], 'it does not show in the session')
  t.equal(loaded['user'], 'bob')
  const createdAt = limited.store.createdAt(loaded)
  t.ok(about(Number(createdAt) / 1000, Date.now() / 1000))
  t.equal(limited.store.createdAt(two), createdAt)
})

test('a wrong local clock changes neither databaseNow nor the touches', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url })
  await set('id', session())
  const [before] = await rows(db)
  const { now: right } = Date
  t.teardown(() => { Date.now = right })
  Date.now = () => right() + 7_200_000
  const loaded = await load('id')
  await set('id', loaded)
  Date.now = right
  t.ok(about((store.databaseNow(loaded) ?? 0) / 1000, Date.now() / 1000))
  t.equal((await rows(db))[0]?.xmin, before?.xmin)
})

test('the time of creation never changes', async (t) => {
  const { store, set, load } = sessions(t, {
    conString: (await schema(t)).url, absoluteTtl: 3600, touchInterval: 0.001
  })
  await set('id', session())
  const createdAt = store.createdAt(await load('id'))
  await sleep(20)
  for (const step of [1, 2, 2]) await set('id', Object.assign(await load('id'), { step }))
  t.equal(store.createdAt(await load('id')), createdAt)
})

test('a new session keeps a given createdAt, which does not change its lifetimes', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url, absoluteTtl: 3600 })
  const createdAt = Date.now() - 3_500_000
  await set('id', session({ createdAt }, 900))
  t.equal((await load('id'))['createdAt'], createdAt)
  t.ok(about((await rows(db))[0]?.left, 900))
})

test('neither set nor touch moves the expiry past the absolute lifetime', async (t) => {
  const db = await schema(t)
  const { set, touch, load } = sessions(t, {
    conString: db.url, absoluteTtl: 10, touchInterval: 0.001
  })
  const within = async (what: string) => {
    const [row] = await db.query(`
      SELECT (extract(epoch FROM expire) * 1000 - (sess::json -> '~store' ->> 'created')::numeric)::float8 AS life
      FROM session`)
    t.ok(Number(row?.['life']) <= 10_001, what)
  }
  const fresh = session({ user: 'alice' }, 900)
  await set('id', fresh)
  await within('new')
  for (const write of [set, touch]) {
    await sleep(10)
    await write('id', fresh)
    await within('written before')
    const loaded = await load('id')
    loaded.cookie = { originalMaxAge: 900_000, expires: new Date(Date.now() + 900_000) }
    await sleep(10)
    await write('id', loaded)
    await within('unchanged')
    await write('id', Object.assign(loaded, { changed: write.name }))
    await within('changed')
    for (const one of [await load('id'), await load('id')]) { // the second is merged
      one.cookie = { originalMaxAge: 1_800_000, expires: new Date(Date.now() + 1_800_000) }
      await set('id', one)
      await within('longer-lived')
    }
  }
  await touch('id', session({}, 900))
  await within('touched without having been loaded')
})

/** Moves the time of creation of all sessions by this many seconds into the past. */
const createdBefore = async (db: Db, seconds: number) => db.query(`
  UPDATE session
  SET sess = jsonb_set(
    sess::jsonb, '{~store,created}', to_jsonb((sess::json -> '~store' ->> 'created')::bigint - $1 * 1000)
  )::json`, [seconds])

test('the last touch reaches the absolute lifetime, even for a small gain', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, {
    conString: db.url, absoluteTtl: 3600, ttl: 900, touchInterval: 60
  })
  await set('id', session())
  await createdBefore(db, 3000)
  await db.query(`UPDATE session SET expire = ${NOW} + interval '570 seconds'`)
  await set('id', await load('id'))
  t.ok(about((await rows(db))[0]?.left, 600))

  const [atTheEnd] = await rows(db)
  await set('id', await load('id'))
  t.equal((await rows(db))[0]?.xmin, atTheEnd?.xmin, 'no touch follows it')
})

test('a session object held for long is touched when a touch is due', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url, ttl: 900, touchInterval: 0.3 })
  await set('id', session())
  const held = await load('id')
  const [before] = await rows(db)
  await set('id', held)
  t.equal((await rows(db))[0]?.xmin, before?.xmin)

  await sleep(400)
  await set('id', held)

  t.not((await rows(db))[0]?.xmin, before?.xmin)
})

test('an active session ends with its absolute lifetime', async (t) => {
  const { set, get } = sessions(t, {
    conString: (await schema(t)).url, ttl: 1, absoluteTtl: 2, touchInterval: 0.05
  })
  await set('id', session({ user: 'alice' }))
  const ended = Date.now() + 2050
  let seen = 0
  while (Date.now() < ended) {
    const loaded = await get('id')
    if (loaded == null) break
    seen = Date.now()
    await set('id', loaded)
    await sleep(50)
  }
  t.equal(await get('id'), null)
  t.ok(seen > ended - 1000, 'it outlived its idle lifetime')
})

test('a row extended beyond its absolute lifetime is not served', async (t) => {
  const db = await schema(t)
  const { set, get } = sessions(t, { conString: db.url, absoluteTtl: 10 })
  await set('id', session({ user: 'alice' }))
  await db.query('UPDATE session SET expire = expire + interval \'1 hour\'')
  t.match(await get('id'), { user: 'alice' })
  await createdBefore(db, 11)
  t.equal(await get('id'), null)
})

test('an application\'s own createdAt does not disable absoluteTtl', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url, absoluteTtl: 10 })
  for (const createdAt of [new Date().toISOString(), Math.floor(Date.now() / 1000), Date.now() - 1e10]) {
    await set('id', session({ createdAt }, 900))
    t.equal((await load('id'))['createdAt'], createdAt)
    t.ok(about((await rows(db))[0]?.left, 10))
  }
})

for (const createdAt of [
  '"yesterday"', '1e308', '-1e308', '1e400', '-5', '0', '{}', '[]', 'null', 'true', '1e17',
  '123456789012345678'
]) {
  test(`no call fails on a row with the createdAt ${createdAt}`, async (t) => {
    const db = await schema(t)
    const { set, touch, get, all, destroy, length, store } = sessions(t, {
      conString: db.url, absoluteTtl: 3600, touchInterval: 0.001
    })
    await length()
    const insert = () => db.query(
      `INSERT INTO session VALUES ('odd', $1, ${NOW} + interval '1 minute')`,
      [`{"cookie":{},"createdAt":${createdAt}}`]
    )
    await insert()
    await touch('odd', session())
    await all()
    const loaded = await get('odd')
    if (loaded != null) {
      await sleep(5)
      await touch('odd', loaded)
      await set('odd', loaded)
      await set('odd', Object.assign(loaded, { changed: true }))
    }
    await get('odd')
    await destroy('odd')
    await insert()
    await store.consume('odd')
    t.same(await rows(db), [])
  })
}

const ZONES = ['Asia/Kuala_Lumpur', 'America/St_Johns', 'Pacific/Kiritimati']

test('the expiry is UTC in every time zone of the server', async (t) => {
  const { url, directUrl } = await withTable(await stoppablePostgres(t))
  const { set, load, length, store } = sessions(t, { conString: url })
  for (const zone of ZONES) {
    await store.createTable()
    const pool = poolOf(t, directUrl)
    await pool.query(`ALTER SYSTEM SET timezone = '${zone}'`)
    await pool.query('SELECT pg_reload_conf()')
    while ((await pool.query<{ TimeZone: string }>('SHOW timezone')).rows[0]?.TimeZone !== zone) await sleep(10)
    await isRight(zone)
  }
  async function isRight (zone: string) {
    await set(zone, session({ user: 'alice' }, 900))
    const { cookie } = await load(zone)
    t.ok(
      cookie?.expires instanceof Date &&
      about((cookie.expires.getTime() - Date.now()) / 1000, 900),
      zone
    )
    t.ok(await length())
    const query = async (sql: string) =>
      (await poolOf(t, directUrl).query<Record<string, unknown>>(sql)).rows
    const db = { url, query }
    t.ok((await rows(db)).every(({ left }) => about(left, 900)), zone)
  }
})

for (const zone of ZONES) {
  test(`the expiry is UTC with the database's time zone ${zone}`, async (t) => {
    const db = await withTable(await database(t))
    const [{ name } = {}] = await db.query('SELECT current_database() AS name')
    await db.query(`ALTER DATABASE ${String(name)} SET timezone = '${zone}'`)
    const { set, load, store } = sessions(t, { conString: db.url })
    // Half a year, so that daylight saving time begins or ends in between.
    for (const seconds of [900, 15_552_000]) {
      await set('id', session({}, seconds))
      t.ok(about((await rows(db))[0]?.left, seconds))
      const { cookie } = await load('id')
      t.ok(
        cookie?.expires instanceof Date &&
        about((cookie.expires.getTime() - Date.now()) / 1000, seconds)
      )
    }
    t.equal(await store.prune(), 0)
    await age(db)
    t.equal(await store.prune(), 1)
  })

  test(`no expiry shifts when one client uses the time zone ${zone}`, async (t) => {
    const db = await withTable(await database(t))
    const here = sessions(t, {
      conString: await withSetting(t, db, 'timezone', zone), absoluteTtl: 3600
    })
    const there = sessions(t, { conString: db.url, absoluteTtl: 3600 })
    for (const [writer, reader] of [[here, there], [there, here]] as const) {
      await writer.set('id', session({}, 900))
      t.ok(about((await rows(db))[0]?.left, 900))
      const loaded = await reader.load('id')
      t.ok(about(((loaded.cookie?.expires as Date).getTime() - Date.now()) / 1000, 900))
      await reader.set('id', Object.assign(loaded, { changed: true }))
      t.ok(about((await rows(db))[0]?.left, 900))
      await db.query(`UPDATE session SET expire = ${NOW} + interval '2 minutes'`)
      t.not(await writer.get('id'), null)
      t.equal(await writer.store.prune(), 0)
      await reader.clear()
    }
  })
}

// PgBouncer refuses clients with PGOPTIONS, so they are set only without it.
test('time zone, PGOPTIONS and a wrong clock do not shift an expiry', async (t) => {
  const db = await withTable(await database(t))
  const outcomes = await inProcess(t, 'clocks', {
    url: db.url,
    zones: ['America/New_York', 'Pacific/Kiritimati'],
    offsets: [-7, 0, 7],
    pgOptions: !pooled
  })
  t.equal(outcomes.length, 6)
  for (const { zone, offset, seen, ...outcome } of outcomes) {
    t.equal(seen, zone)
    t.match(outcome, { user: 'alice', userOfOther: 'bob' }, `${zone} ${offset}`)
    t.ok(about(outcome.left, 900) && about(outcome.leftOfOther, 900), `expires, ${zone} ${offset}`)
  }
  const found = await rows(db)
  t.equal(found.length, 18)
  for (const { sid, left } of found) t.ok(about(left, sid.startsWith('ttl') ? 1800 : 900), sid)
})
