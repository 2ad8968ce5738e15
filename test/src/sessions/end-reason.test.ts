import { test } from 'tap'
import { about, age, NOW, poolOf, rows, schema, session, sessions } from './harness.js'
import { testTable } from '../../support/tables.js'

const KEYS = ['a test key of 32 bytes or more, for ids', 'another key of 32 bytes or more, for ids']

for (const hashIds of [false, KEYS] as const) {
  const kind = hashIds === false ? 'plain ids' : 'hashed ids'

  test(`${kind}: consume leaves the reason that it was given, and nothing else, for an hour`, async (t) => {
    const db = await schema(t)
    const { store, set } = sessions(t, { conString: db.url, hashIds })
    await set('id', session({ user: { sub: 'alice' }, basket: 'full' }))

    t.match(await store.consume('id', { reason: 'signed_out' }), { basket: 'full' })

    const [row, ...others] = await rows(db)
    t.same(others, [])
    t.match(row?.sid, /^ended\.(id$|[\w-]{43}$)/)
    t.same(JSON.parse(row?.sess ?? ''), { ended: 'signed_out' })
    t.ok(about(row?.left, 3600))
    t.equal(await store.endReason('id'), 'signed_out')
    await age(db)
    t.equal(await store.endReason('id'), null)
    t.equal(await store.prune(), 1)
  })

  test(`${kind}: destroyByUser leaves the reason of each session that it ends`, async (t) => {
    const db = await schema(t)
    const { store, set, get } = sessions(t, { pool: poolOf(t, db.url), hashIds })
    for (const id of ['a1', 'a2', 'a3']) await set(id, session({ user: { sub: 'alice' } }))
    await set('expired', { cookie: { originalMaxAge: 1, expires: new Date(0) }, user: { sub: 'alice' } })

    t.equal(await store.destroyByUser('alice', { except: 'a2', reason: 'ended_elsewhere' }), 2)

    const reasons = await Promise.all(['a1', 'a2', 'a3', 'expired'].map((id) => store.endReason(id)))
    t.same(reasons, ['ended_elsewhere', null, 'ended_elsewhere', null])
    t.not(await get('a2'), null)
    t.equal(await store.destroyByUser('alice'), 1, 'without a reason')
    t.equal((await rows(db)).length, 2)
  })
}

test('a reason is found under every key, and the session ends again without harm', async (t) => {
  const db = await schema(t)
  const [older, newer, plain] = [[KEYS[0]], [KEYS[1], KEYS[0]], false].map((hashIds) =>
    sessions(t, { conString: db.url, hashIds: hashIds as string[] | false }))
  await plain?.set('plain', session({ user: { sub: 'alice' } }))
  await older?.set('id', session({ user: { sub: 'alice' } }))

  t.not(await older?.store.consume('id', { reason: 'one' }), null)
  t.equal(await older?.store.consume('id', { reason: 'two' }), null)
  t.not(await newer?.store.consume('plain', { reason: 'three' }), null)

  t.equal(await newer?.store.endReason('id'), 'one')
  t.equal(await newer?.store.endReason('plain'), 'three')
})

test('a session that was not live leaves no reason', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url })
  await set('id', session())
  await age(db)

  t.equal(await store.consume('id', { reason: 'signed_out' }), null)
  t.equal(await store.consume('unknown', { reason: 'signed_out' }), null)
  t.same(await rows(db), [])
})

test('an expired session tells which lifetime has ended, until it is pruned', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url, ttl: 600, absoluteTtl: 3600 })
  for (const id of ['idle', 'absolute', 'live']) await set(id, session())
  await age(db, 1, 'idle')
  const created = `(sess::json -> '~store' ->> 'created')::float8`
  await db.query(`UPDATE session SET
    sess = replace(sess::text, ${created}::bigint::text, (${created} - 3600000)::bigint::text)::${SESS},
    expire = ${testTable === 'timestamptz' ? '' : 'timezone(\'utc\', '}
      to_timestamp(${created} / 1000)${testTable === 'timestamptz' ? '' : ')'}
    WHERE sid = 'absolute'`)

  const ids = ['idle', 'absolute', 'live', 'unknown', '', 'h1.x']
  const reasons = await Promise.all(ids.map((id) => store.endReason(id)))

  t.same(reasons, ['idle', 'absolute', null, null, null, null])
  t.equal(await store.prune(), 2)
  t.same(await Promise.all(['idle', 'absolute'].map((id) => store.endReason(id))), [null, null])
})

const SESS = ['jsonb', 'text'].includes(testTable) ? testTable : 'json'

test('a row that another store keeps alive past the absolute lifetime has ended by it', async (t) => {
  const db = await schema(t)
  const { store, set, get } = sessions(t, { conString: db.url, ttl: 600, absoluteTtl: 1 })
  await set('id', session())
  await db.query(`UPDATE session SET expire = ${NOW} + interval '1 hour'`)
  await new Promise((resolve) => { setTimeout(resolve, 1100) })

  t.equal(await get('id'), null)
  t.equal(await store.endReason('id'), 'absolute')
})

test('rows that say why a session ended are no sessions', async (t) => {
  const db = await schema(t)
  const { store, set, get, all, length } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', session({ user: { sub: 'alice' } }))
  await store.consume('id', { reason: 'signed_out' })

  t.same([await get('ended.id'), await all(), await length()], [null, [], 0])
  t.same(await store.listByUser('alice'), [])
  await t.rejects(set('ended.id', session()), { code: 'ERR_SESSION_VALUE' })
  t.equal(await store.consume('ended.id'), null)
  t.equal((await rows(db)).length, 1)
})

test('a column sid that is too short for the reason ends the session all the same', async (t) => {
  const db = await schema(t, { table: false })
  await db.query(`CREATE TABLE session (
    sid varchar(32) NOT NULL PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)`)
  const { store, set } = sessions(t, { pool: poolOf(t, db.url) })
  const [long, short] = ['x'.repeat(32), 'x'.repeat(26)]
  for (const id of [long, short]) await set(id, session({ user: { sub: 'alice' } }))

  for (const id of [long, short]) t.not(await store.consume(id, { reason: 'signed_out' }), null)

  t.same([await store.endReason(long), await store.endReason(short)], [null, 'signed_out'])
  await set(long, session({ user: { sub: 'alice' } }))
  t.equal(await store.destroyByUser('alice', { reason: 'ended_elsewhere' }), 1)
})

test('many reasons are read with one statement', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url)
  const { store, set } = sessions(t, { pool, hashIds: KEYS })
  const ids = Array.from({ length: 30 }, (_, index) => `id${index}`)
  await Promise.all(ids.map((id) => set(id, session())))
  await Promise.all(ids.map((id, index) => store.consume(id, { reason: `reason_${index}` })))
  let statements = 0
  pool.on('acquire', () => { statements++ })

  const reasons = await Promise.all(ids.map((id) => store.endReason(id)))

  t.same(reasons, ids.map((_id, index) => `reason_${index}`))
  t.ok(statements <= 2, `${statements} statements`)
})
