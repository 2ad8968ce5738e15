import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { SessionData } from '../../../src/sessions/types.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { database, withSetting } from '../../support/database.js'
import { testTable } from '../../support/tables.js'
import { about, age, NOW, pass, poolOf, rows, schema, session, sessions, withTable } from './harness.js'

/** A step in the text of `sess`, where jsonb has a space. */
const STEP = testTable === 'jsonb' ? /"step": \d/ : /"step":\d/

test('get returns what set stored', async (t) => {
  const { set, get } = sessions(t, { conString: (await schema(t)).url })
  const content = {
    'text': 'Zürich, 東京, 🦊, \u202e',
    ...(testTable === 'jsonb' ? {} : { zero: '\u0000', surrogates: ['\ud800', '\udc00x'] }), // see jsonb.test.ts
    'number': -1.5e-7,
    'big': Number.MAX_SAFE_INTEGER,
    'yes': true,
    'no': false,
    'nothing': null,
    'nested': { list: [1, [2, [3, {}]], { deep: { deeper: '"\\\'' } }] },
    'key with "quotes"': 1,
    '': 'empty',
    'constructor': 1
  }
  await set('id', session(content))
  const { cookie, '~row': row, ...rest } = await get('id') ?? {}
  t.strictSame(rest, content)
})

test('a Date becomes a string; undefined and functions are dropped', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url })
  await set('id', session({ date: new Date(0), gone: undefined, call () {} }))
  const { cookie, '~row': row, ...rest } = await load('id')
  t.strictSame(rest, { date: '1970-01-01T00:00:00.000Z' })
})

test('properties that get adds are not part of the JSON', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url })
  await set('id', session({ user: 'alice' }))
  const expected = '{"cookie":{"originalMaxAge":null,"expires":null},"user":"alice"}'
  const json = JSON.stringify(await load('id'))
  if (testTable === 'jsonb') t.strictSame(JSON.parse(json), JSON.parse(expected))
  else t.equal(json, expected)
})

test('get of an unknown id is null', async (t) => {
  const { get, store } = sessions(t, { conString: (await schema(t)).url })
  t.equal(await get('unknown'), null)
  t.equal(await store.consume('unknown'), null)
})

test('set on an existing id replaces the session', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }))
  await set('id', session({ user: 'bob' }))
  t.match(await load('id'), { user: 'bob' })
  t.equal((await rows(db)).length, 1)
})

test('each change of a session is written', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url })
  await set('id', session({ user: 'alice' }))
  for (const step of [1, 2, 3]) {
    const loaded = await load('id')
    loaded['step'] = step
    await set('id', loaded)
    t.match(await load('id'), { user: 'alice', step })
  }
})

test('a change that keeps the expiry keeps the stored cookie', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url })
  type Cookie = NonNullable<SessionData['cookie']>
  const cookies: Record<string, (data: Cookie) => Cookie> = {
    'express-session': (data) => ({ ...data, toJSON () { return data } }) as Cookie,
    '@fastify/session': (data) => ({ ...data, originalExpires: data.expires }) as Cookie,
    'without expiry': () => ({ originalMaxAge: null, expires: null })
  }

  for (const [name, cookieOf] of Object.entries(cookies)) {
    await set(name, session({ user: 'alice' }, name === 'without expiry' ? undefined : 900))
    const texts: string[] = []
    for (const step of [1, 2, 3]) {
      const loaded = await load(name)
      await sleep(5)
      // The session libraries replace the cookie at every request.
      loaded.cookie = cookieOf({ originalMaxAge: 900_000, expires: new Date(Date.now() + 900_000) })
      await set(name, Object.assign(loaded, { step }))
      const row = (await rows(db)).find(({ sid }) => sid === name)
      texts.push((row?.sess ?? '').replace(STEP, '"step":0'))
      const { cookie } = JSON.parse(row?.sess ?? '') as { cookie: { expires: string | null, originalExpires?: string } }
      if (name === 'without expiry') {
        t.equal(cookie.expires, null)
        continue
      }
      t.equal(cookie.expires, new Date(store.expiresAt(loaded) ?? 0).toISOString(), name)
      if (name === '@fastify/session') t.equal(cookie.originalExpires, cookie.expires)
    }
    t.equal(new Set(texts).size, 1, name)
  }
})

test('an unusable session object fails by the callback', async (t) => {
  const db = await schema(t)
  const { touch, set, load } = sessions(t, { conString: db.url, absoluteTtl: 3600 })
  await set('id', session({ user: 'alice' }, 900))

  const odd = Object.assign(session(), { cookie: { expires: Symbol('never') } }) as unknown as SessionData
  await t.rejects(touch('id', odd), TypeError)
  const frozen = Object.freeze(session({ user: 'bob' }, 900))
  await set('new', frozen)
  t.match(await load('new'), { user: 'bob' }, 'a frozen session is stored')

  t.match(await load('id'), { user: 'alice' })
})

test('destroy ends a session and succeeds without one', async (t) => {
  const db = await schema(t)
  const { set, get, destroy } = sessions(t, { conString: db.url })
  await set('id', session())
  await set('other', session())
  await destroy('id')
  await t.resolves(destroy('id'))
  t.equal(await get('id'), null)
  t.match(await rows(db), [{ sid: 'other' }])
})

test('a session destroyed between get and set is not revived', async (t) => {
  const db = await schema(t)
  const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
  for (const change of [true, false]) {
    await here.set('id', session({ user: 'alice' }))
    const loaded = await here.load('id')
    await there.destroy('id')
    if (change) loaded['late'] = true
    await here.set('id', loaded)
    await here.touch('id', loaded)
    t.same(await rows(db), [], change ? 'changed' : 'unchanged')
  }
})

test('a new session destroyed between two sets is not revived', async (t) => {
  const db = await schema(t)
  const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
  const fresh = session({ user: 'alice' })
  await here.set('id', fresh)
  await there.destroy('id')
  fresh['late'] = true
  await here.set('id', fresh)
  t.same(await rows(db), [])
})

test('a session that expired between get and set is not revived', async (t) => {
  const db = await schema(t)
  const { set, load, touch, get } = sessions(t, { conString: db.url, touchInterval: 0.001 })
  await set('id', session())
  const loaded = await load('id')
  await age(db)
  await touch('id', loaded)
  loaded['late'] = true
  await set('id', loaded)
  t.equal(await get('id'), null)
  t.notMatch(await rows(db), [{ sess: /late/ }])
})

test('a session whose lifetime ends between get and set is not revived', async (t) => {
  const db = await schema(t)
  const { set, load, get } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }, 0.3))
  const loaded = await load('id')
  await sleep(350)
  loaded.cookie = { originalMaxAge: 300, expires: new Date(Date.now() + 60_000) }
  await set('id', Object.assign(loaded, { late: true }))
  t.equal(await get('id'), null)
  t.notMatch(await rows(db), [{ sess: /late/ }])
})

test('content stored under another id is a separate session', async (t) => {
  const db = await schema(t)
  for (const hashIds of [false, 'k'.repeat(32)] as const) {
    const { set, load, clear } = sessions(t, { conString: db.url, hashIds })
    const shared = session({ user: 'alice' })
    await set('one', shared)
    await set('two', shared)
    await set('three', Object.assign(await load('one'), { user: 'bob' }))
    t.match(await load('one'), { user: 'alice' })
    t.match(await load('two'), { user: 'alice' })
    t.match(await load('three'), { user: 'bob' })
    await clear()
  }
})

test('an unchanged session is not written within touchInterval', async (t) => {
  const db = await schema(t)
  const { set, touch, load } = sessions(t, { conString: db.url, touchInterval: 60 })
  await set('id', session({ user: 'alice' }, 900))
  const [before] = await rows(db)
  for (let i = 0; i < 5; i++) {
    const loaded = await load('id')
    loaded.cookie = { originalMaxAge: 900_000, expires: new Date(Date.now() + 900_000) }
    await set('id', loaded)
    await touch('id', loaded)
  }
  t.equal((await rows(db))[0]?.xmin, before?.xmin)
})

test('an unchanged session with keys in any order is not written', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url })
  await set('id', session({ zebra: { yy: 1, a: [1e21, -1.5e-7] }, b: 'two', 7: 'seven', a: 0.1 }, 900))
  const [before] = await rows(db)
  await set('id', await load('id'))
  t.equal((await rows(db))[0]?.xmin, before?.xmin)
})

test('a new session that is set twice is written once', async (t) => {
  const db = await schema(t)
  for (const absoluteTtl of [undefined, 3600]) {
    const { set } = sessions(t, { conString: db.url, ...(absoluteTtl === undefined ? {} : { absoluteTtl }) })
    const fresh = session({ user: 'alice' }, 900)
    await set('id', fresh)
    const [before] = await rows(db)
    await set('id', fresh)
    t.equal((await rows(db))[0]?.xmin, before?.xmin)
  }
})

test('after touchInterval only the expiry of an unchanged session moves', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url, ttl: 900, touchInterval: 1 })
  await set('id', session({ user: 'alice' }))
  // The same session, but not the text that this store would write.
  await db.query(`
    UPDATE session
      SET expire = expire - interval '2 seconds', sess = replace(sess::text, ':', ' : ')::json`)
  const [before] = await rows(db)
  await set('id', await load('id'))
  const [after] = await rows(db)
  t.not(after?.xmin, before?.xmin)
  t.ok(after !== undefined && after.left > 899)
  t.equal(after?.sess, before?.sess)
})

test('a change moves the expiry only after touchInterval', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, ttl: 900, touchInterval: 60 })
  await set('id', session({ user: 'alice' }))
  const expire = async () => (await db.query('SELECT expire::text FROM session'))[0]?.['expire']
  const change = async (ago: number) => {
    const earlier = () => db.query(
      `UPDATE session SET expire = ${NOW} + $1 * interval '1 second'`, [900 - ago]
    )
    await earlier()
    const before = await expire()
    const [one, two] = [await load('id'), await load('id')]
    await set('id', Object.assign(one, { one: ago }))
    const [first, { left = 0 } = {}] = [await expire(), (await rows(db))[0]]
    if (ago > 60) await earlier()
    await set('id', Object.assign(two, { two: ago })) // is merged
    return { kept: first === before && await expire() === before, left: [left, (await rows(db))[0]?.left] }
  }
  t.equal((await change(30)).kept, true)
  const { left } = await change(800)
  t.ok(left.every((seconds) => about(seconds, 900)), String(left))
  t.same(store.conflicts, { merged: 2, overwritten: 0 })
})

test('a session object tracks its row across touches and changes', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const { set, touch, load } = sessions(t, { pool, touchInterval: 60 })
  await set('id', session({}, 900))
  await db.query('UPDATE session SET expire = expire - interval \'800 seconds\'')
  const loaded = await load('id')
  loaded.cookie = { originalMaxAge: 900_000, expires: new Date(Date.now() + 900_000) }
  let statements = 0
  pool.on('acquire', () => { statements++ })
  for (const [i, write] of [touch, touch, set].entries()) {
    await write('id', loaded)
    t.equal(statements, 1, `${i}`)
  }
  for (const step of [2, 3]) {
    await set('id', Object.assign(loaded, { step }))
    t.equal(statements, step)
  }
})

test('touchInterval counts from the last stored touch, not the read', async (t) => {
  const db = await schema(t)
  const here = sessions(t, { conString: db.url, touchInterval: 0.4 })
  const there = sessions(t, { conString: db.url, touchInterval: 0.4 })
  await here.set('id', session())
  const began = performance.now()
  let writes = 0
  let last = (await rows(db))[0]?.xmin
  for (let i = 0; i < 20; i++) {
    await sleep(50)
    const one = i % 2 === 0 ? here : there
    await one.set('id', await one.load('id'))
    const xmin = (await rows(db))[0]?.xmin
    if (xmin !== last) writes++
    last = xmin
  }
  const ms = performance.now() - began
  t.ok(writes >= 1 && writes <= ms / 400 + 1, `${writes} writes in ${ms} ms`)
})

test('an active session survives a touchInterval above its lifetime', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url, touchInterval: 3600 })
  await set('id', session({ user: 'alice' }, 600))
  for (let i = 0; i < 4; i++) {
    await pass(db, 400)
    const loaded = await load('id')
    loaded.cookie = { originalMaxAge: 600_000, expires: new Date(Date.now() + 600_000) }
    await set('id', loaded)
  }
  t.match(await load('id'), { user: 'alice' })
})

test('ttl extends an active session whose cookie has no expiry', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url, ttl: 600 })
  await set('id', session({ user: 'alice' }))
  for (let i = 0; i < 4; i++) {
    await pass(db, 400)
    await set('id', await load('id'))
  }
  t.match(await load('id'), { user: 'alice', cookie: { expires: null } })
})

test('touch extends a session whose object was not loaded', async (t) => {
  const db = await schema(t)
  const { set, touch } = sessions(t, { conString: db.url, ttl: 900 })
  await set('id', session({ user: 'alice' }))
  await db.query('UPDATE session SET expire = expire - interval \'800 seconds\'')
  await touch('id', session())
  const [row] = await rows(db)
  t.ok(about(row?.left, 900))
  t.match(row?.sess, /alice/)
})

test('touch creates nothing and revives nothing', async (t) => {
  const db = await schema(t)
  const { set, touch } = sessions(t, { conString: db.url })
  await touch('unknown', session())
  t.same(await rows(db), [])
  await set('id', session())
  await age(db)
  await touch('id', session())
  t.ok((await rows(db)).every(({ left }) => left < 0))
})

test('a longer cookie lifetime alone is stored', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }, 900))
  const loaded = await load('id')
  loaded.cookie = { originalMaxAge: 86_400_000, expires: new Date(Date.now() + 86_400_000) }
  await set('id', loaded)
  t.match(await load('id'), { cookie: { originalMaxAge: 86_400_000 } })

  const again = await load('id')
  again.cookie = { originalMaxAge: 86_430_000, expires: new Date(Date.now() + 86_430_000) }
  await set('id', again)
  t.ok(about((await rows(db))[0]?.left, 86_430), 'also if it is longer by less than touchInterval')
})

test('the last of two concurrent changes of one key wins', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url })
  await set('id', session())
  const [one, two] = [await load('id'), await load('id')]
  one['from'] = 'one'
  two['from'] = 'two'
  await set('id', one)
  await set('id', two)
  t.match(await load('id'), { from: 'two' })
})

test('only one of 20 concurrent callers consumes a session', async (t) => {
  const db = await schema(t)
  const { store: here, set } = sessions(t, { conString: db.url })
  const { store: there } = sessions(t, { conString: db.url })
  await set('id', session({ state: 'xyz' }))
  const consumed = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? here : there).consume('id')))
  t.match(consumed.filter((one) => one !== null), [{ state: 'xyz' }])
  t.equal(consumed.filter((one) => one !== null).length, 1)
  t.same(await rows(db), [])
})

test('consume removes an expired session and returns null', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url })
  await set('id', session())
  await age(db)
  t.equal(await store.consume('id'), null)
  t.same(await rows(db), [])
})

test('all returns the live sessions and length counts them', async (t) => {
  const db = await schema(t)
  const { set, all, length } = sessions(t, { conString: db.url })
  t.same(await all(), [])
  t.equal(await length(), 0)
  for (const user of ['alice', 'bob', 'old']) await set(user, session({ user }))
  await age(db, 1, 'old')
  t.same((await all())?.map((one) => one['user']).sort(), ['alice', 'bob'])
  t.equal(await length(), 2)
})

test('a session from all can be set under its id', async (t) => {
  const db = await schema(t)
  const { set, all, load } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }))
  const [one] = await all() ?? []
  await set('id', Object.assign(one as SessionData, { user: 'bob' }))
  t.match(await load('id'), { user: 'bob' })
})

test('clear removes every session', async (t) => {
  const db = await schema(t)
  const { set, clear, length } = sessions(t, { conString: db.url })
  for (const id of ['a', 'b', 'c']) await set(id, session())
  await age(db, 1, 'c')
  await clear()
  t.equal(await length(), 0)
  t.same(await rows(db), [])
})

for (const [what, id] of Object.entries<unknown>({
  'contains a NUL': 'a\0b',
  'is empty': '',
  'has 1,025 characters': 'x'.repeat(1025),
  'looks like a stored hash': 'h1.abc',
  'is a number': 7,
  'is undefined': undefined
})) {
  test(`an id that ${what} is refused without a query`, async (t) => {
    const db = await schema(t)
    const pool = poolOf(t, db.url, { max: 1 })
    const backend = async () => (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid
    let queries = 0
    for (const hashIds of [false, 'k'.repeat(32)] as const) {
      const { store, get, set, touch, destroy, length } = sessions(t, { pool, hashIds })
      await length()
      const before = await backend()
      pool.on('acquire', () => { queries++ })
      t.equal(await get(id as string), null)
      t.equal(await store.consume(id as string), null)
      await touch(id as string, session())
      await destroy(id as string)
      await t.rejects(set(id as string, session()), { code: 'ERR_SESSION_VALUE' })
      t.equal(queries, 0)
      pool.removeAllListeners('acquire')
      t.equal(await backend(), before)
    }
    t.same(await rows(db), [])
  })
}

test('an unstorable value costs no query and changes nothing', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url, { max: 1 })
  const { set, load } = sessions(t, { pool })
  await set('id', session({ user: 'alice' }))
  const loaded = await load('id')
  let queries = 0
  pool.on('acquire', () => { queries++ })
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  for (const value of [circular, 1n, 'x'.repeat(65_536)]) {
    await t.rejects(set('new', session({ value })), { code: 'ERR_SESSION_VALUE', statusCode: 500 })
    await t.rejects(set('id', Object.assign(loaded, { value })), { code: 'ERR_SESSION_VALUE' })
  }
  t.equal(queries, 0)
  t.notOk('value' in await load('id'))
})

test('a value that PostgreSQL refuses fails only its own call', async (t) => {
  const db = await schema(t)
  const { set, length } = sessions(t, { conString: db.url })
  await length()
  await db.query('ALTER TABLE session ADD CHECK (sess::json ->> \'user\' <> \'mallory\')')
  const outcomes = await Promise.allSettled(['alice', 'mallory', 'bob'].map((user) => set(user, session({ user }))))
  t.match(outcomes, [
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'ERR_DATABASE' } },
    { status: 'fulfilled' }
  ])
  t.match(await rows(db), [{ sid: 'alice' }, { sid: 'bob' }])
})

test('an error thrown by errorLog reaches the caller', async (t) => {
  const db = await schema(t)
  const { get, length } = sessions(t, { conString: db.url, errorLog: () => { throw new Error('log error') } })
  await length()
  await db.query(`INSERT INTO session VALUES ('bad', '[]', ${NOW} + interval '1 hour')`)
  await t.rejects(get('bad'), { message: 'log error' })
})

test('an SQL error keeps the connection', async (t) => {
  const db = await schema(t, { table: false })
  const pool = poolOf(t, db.url, { max: 1 })
  const backend = async () => (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid
  const before = await backend()
  const { get, length } = sessions(t, { pool })
  await length()
  await db.query('ALTER TABLE session RENAME COLUMN expire TO expires')
  for (let i = 0; i < 3; i++) await t.rejects(get('id'), { code: 'ERR_DATABASE' })
  t.equal(await backend(), before)
})

for (const [what, sess] of Object.entries({
  'an array': '[]',
  'a string': '"text"',
  'null': 'null',
  'a number': '1',
  'a key __proto__': '{"__proto__":{"admin":true},"cookie":{}}',
  'a string as its cookie': '{"cookie":"text"}',
  'a string as its lifetime': '{"cookie":{"originalMaxAge":"soon"},"user":"alice"}'
})) {
  test(`a row with ${what} is logged and not served`, async (t) => {
    const db = await schema(t)
    const { store, get, all, destroy, logged, length } = sessions(t, { conString: db.url })
    await length()
    const insert = () => db.query(
      `INSERT INTO session VALUES ('bad', $1, ${NOW} + interval '1 hour')`, [sess]
    )
    await insert()
    t.equal(await get('bad'), null)
    t.match(logged, [{ message: /does not hold a session/ }])
    t.notMatch(JSON.stringify(logged), /bad|text|alice|admin/)
    t.same(await all(), [])
    t.equal(await store.consume('bad'), null)
    await insert()
    await destroy('bad')
    t.same(await rows(db), [])
  })
}

for (const cookie of [
  {}, { expires: 'never' }, { expires: 'never', originalMaxAge: 1000 }, { expires: 1e308 }, { expires: {} },
  { path: 7, domain: [], secure: 'maybe' }
]) {
  test(`a row with the cookie ${JSON.stringify(cookie)} is served until expire`, async (t) => {
    const db = await schema(t)
    const { get, set, touch, length, load } = sessions(t, { conString: db.url, touchInterval: 0.001 })
    await length()
    await db.query(
      `INSERT INTO session VALUES ('odd', $1, ${NOW} + interval '1 hour')`,
      [JSON.stringify({ cookie, user: 'alice' })]
    )
    const loaded = await load('odd')
    t.match(loaded, { user: 'alice' })
    await touch('odd', loaded)
    await set('odd', Object.assign(loaded, { step: 2 }))
    t.match(await load('odd'), { step: 2 })
    await age(db)
    t.equal(await get('odd'), null)
  })
}

test('a row that contains the key ~row is served', async (t) => {
  const db = await schema(t)
  const { set, load, length } = sessions(t, { conString: db.url })
  await length()
  await db.query(
    `INSERT INTO session VALUES ('odd', $1, ${NOW} + interval '1 hour')`,
    ['{"cookie":{},"~row":{"sid":"x","content":"y"}}']
  )
  await set('odd', Object.assign(await load('odd'), { step: 1 }))
  t.match(await load('odd'), { step: 1 })
})

test('a row that never expires is served', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }, 900))
  await db.query('UPDATE session SET expire = \'infinity\'')
  const loaded = await load('id')
  t.ok(Number.isFinite((loaded.cookie?.expires as Date).getTime()))
  await set('id', Object.assign(loaded, { step: 1 }))
  t.match(await load('id'), { step: 1 })
})

test('isStored and expiresAt describe a session object', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url })
  const fresh = session({ user: 'alice' }, 600)
  t.equal(store.isStored(fresh), false)
  t.equal(store.expiresAt(fresh), undefined)
  await set('id', fresh)
  for (const one of [fresh, await load('id')]) {
    t.equal(store.isStored(one), true)
    t.ok(about((store.expiresAt(one) ?? 0) / 1000, Date.now() / 1000 + 600))
  }
})

test('ping refuses a read-only database', async (t) => {
  const db = await withTable(await database(t))
  await sessions(t, { conString: db.url }).store.ping()
  const { store } = sessions(t, { conString: await withSetting(t, db, 'default_transaction_read_only', 'on') })
  await t.rejects(store.ping(), { code: 'ERR_DATABASE', cause: { message: /read-only/ } })
})

test('close is repeatable and ends only the store\'s own pool', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const listeners = pool.listenerCount('error')
  const [given, own] = [sessions(t, { pool }), sessions(t, { conString: db.url })]
  t.equal(pool.listenerCount('error'), listeners, 'the store adds no listener to a given pool')
  for (const { store, length } of [given, own]) {
    await length()
    await Promise.all([store.close(), store.close()])
    await store.close()
  }
  t.equal((await pool.query('SELECT 1')).rowCount, 1)
  await t.rejects(own.length(), { code: 'ERR_DATABASE' })
})

test('conObject configures the store\'s own pool', async (t) => {
  const db = await schema(t)
  const { length } = sessions(t, { conObject: { connectionString: db.url, application_name: 'own_pool' } })
  await length()
  t.same(await db.query(`
    SELECT count(*) > 0 AS known
      FROM pg_stat_activity
      WHERE application_name = 'own_pool'`), [{ known: true }])
})

for (const [what, options] of Object.entries<object>({
  'an ambiguous conString': { conString: 'postgres://app:1@kitten/x@127.0.0.1:1/x' },
  'a ttl of 0': { ttl: 0 },
  'a negative absoluteTtl': { absoluteTtl: -1 },
  'a touchInterval of NaN': { touchInterval: NaN },
  'a ttl that is a string': { ttl: '900' },
  'a pruneSessionInterval of 0': { pruneSessionInterval: 0 },
  'a pruneSessionInterval that is a string': { pruneSessionInterval: 'often' }
})) {
  test(`the store refuses ${what}`, (t) => {
    const conString = 'pool' in options ? {} : { conString: 'postgres://127.0.0.1:1/x' }
    t.throws(
      () => new PgSessionStore({ pruneSessionInterval: false, ...conString, ...options }),
      { name: 'TypeError', message: /PgSessionStore/ }
    )
    t.end()
  })
}

test('without errorLog the store emits warnings', async (t) => {
  const db = await schema(t)
  const store = new PgSessionStore({ conString: db.url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  const warnings: unknown[][] = []
  store.on('warning', (...args) => { warnings.push(args) })
  await store.createTable()
  await db.query(`INSERT INTO session VALUES ('bad', '[]', ${NOW} + interval '1 hour')`)
  await new Promise((resolve) => { store.get('bad', resolve) })
  t.match(warnings, [['Ignored a row of the session table that does not hold a session']])
})
