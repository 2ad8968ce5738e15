import connectPgSimple from 'connect-pg-simple'
import expressSession from 'express-session'
import { test } from 'tap'
import { about, NOW, rows, schema, session, sessions } from './harness.js'

const ABSOLUTE = 3600

for (const [form, createdAt] of Object.entries({
  'seconds': Math.floor(Date.now() / 1000),
  'ISO text': new Date().toISOString(),
  'milliseconds of a year ago': Date.now() - 31_536_000_000,
  'milliseconds of next year': Date.now() + 31_536_000_000,
  'an object': { at: 1 }
})) {
  test(`an application's createdAt in ${form} stays, and does not change the lifetimes`, async (t) => {
    const db = await schema(t)
    const { store, set, load } = sessions(t, { conString: db.url, absoluteTtl: ABSOLUTE })
    await set('id', session({ createdAt }, 900))
    t.ok(about((await rows(db))[0]?.left, 900))
    const loaded = await load('id')
    t.same(loaded['createdAt'], createdAt)
    t.ok(about((store.createdAt(loaded) ?? 0) / 1000, Date.now() / 1000))
    await set('id', Object.assign(loaded, { step: 1 }))
    t.match(await load('id'), { createdAt, step: 1 })
  })

  test(`a row of another application with createdAt in ${form} is a session`, async (t) => {
    const db = await schema(t)
    const { store, set, load, length } = sessions(t, { conString: db.url, absoluteTtl: ABSOLUTE })
    await length()
    await db.query(`INSERT INTO session (sid, sess, expire) VALUES ('id', $1, ${NOW} + interval '2 hours')`, [
      JSON.stringify({ cookie: { originalMaxAge: null, expires: null }, createdAt })
    ])
    const loaded = await load('id')
    t.same(loaded['createdAt'], createdAt)
    const since = store.createdAt(loaded)
    t.ok(about((since ?? 0) / 1000, Date.now() / 1000), 'its absolute lifetime counts from its first use here')

    await set('id', loaded)
    const again = await load('id')
    t.equal(store.createdAt(again), since, 'the first use is kept')
    t.same(again['createdAt'], createdAt)
  })
}

test('a session of version 0.2.0 goes on with its absolute lifetime', async (t) => {
  const db = await schema(t)
  const { store, set, load, length } = sessions(t, { conString: db.url, absoluteTtl: ABSOLUTE, touchInterval: 0.001 })
  await length()
  const createdAt = Date.now() - 3_000_000
  await db.query(`INSERT INTO session (sid, sess, expire) VALUES ('id', $1, ${NOW} + interval '500 s')`, [
    JSON.stringify({ cookie: { originalMaxAge: 900_000, expires: new Date() }, user: { sub: 'alice' }, createdAt })
  ])
  const loaded = await load('id')
  t.equal(store.createdAt(loaded), createdAt)
  loaded.cookie = { originalMaxAge: 900_000, expires: new Date(Date.now() + 900_000) }
  await set('id', loaded)
  t.ok(about((await rows(db))[0]?.left, 600))
  t.equal(store.createdAt(await load('id')), createdAt)
})

test('an application cannot store the key ~store', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url })
  await t.rejects(set('id', session({ '~store': { created: 1 } })), { code: 'ERR_SESSION_VALUE' })
  await set('id', session({ deep: { '~store': { created: 1 } } }))
  t.same((await load('id'))['deep'], { '~store': { created: 1 } })
})

test('the time of creation survives connect-pg-simple', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, absoluteTtl: ABSOLUTE })
  await set('id', session({ user: 'alice' }, 900))
  const since = store.createdAt(await load('id'))

  const Theirs = connectPgSimple(expressSession)
  const theirs = new Theirs({ conString: db.url, pruneSessionInterval: false })
  t.teardown(() => theirs.close())
  const found = await new Promise<object>((resolve, reject) => {
    theirs.get('id', (error, one) => { if (one == null) reject(error as Error); else resolve(one) })
  })
  await new Promise((resolve) => { theirs.set('id', { ...found, step: 1 } as never, resolve) })

  const loaded = await load('id')
  t.match(loaded, { user: 'alice', step: 1 })
  t.notOk('~store' in loaded)
  t.equal(store.createdAt(loaded), since)
})
