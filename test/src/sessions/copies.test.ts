import { deepStrictEqual } from 'node:assert'
import { test } from 'tap'
import { COPY_OF_ENDED } from '../../../src/sessions/conflicts.js'
import { copyWith } from '../../../src/sessions/index.js'
import type { SessionData } from '../../../src/sessions/types.js'
import { rows, schema, session, sessions } from './harness.js'

for (const [name, copy] of Object.entries<(one: object) => object>({
  'structuredClone': (one) => structuredClone(one),
  'a JSON copy': (one) => JSON.parse(JSON.stringify(one)) as object,
  'a spread': (one) => ({ ...one }),
  'Object.assign': (one) => Object.assign({}, one),
  'copyWith': (one) => copyWith(one, {}),
  'copyWith with a cookie': (one) => copyWith(one as SessionData, { cookie: { originalMaxAge: 1_800_000 } })
})) {
  test(`${name} of a loaded session does not bring it back`, async (t) => {
    const db = await schema(t)
    const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
    await here.set('id', session({ user: 'alice' }, 900))
    const copied = Object.assign(copy(await here.load('id')), { late: true })
    await there.destroy('id')
    await here.set('id', copied)
    t.same(await rows(db), [])
  })

  test(`${name} of a loaded session does not overwrite another change`, async (t) => {
    const db = await schema(t)
    const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
    await here.set('id', session({ user: 'alice' }, 900))
    const copied = Object.assign(copy(await here.load('id')), { here: true })
    await there.set('id', Object.assign(await there.load('id'), { there: true }))
    await here.set('id', copied)
    t.match(await here.load('id'), { user: 'alice', here: true, there: true })
  })
}

test('a deep copy with the cookie of a library, which has no expiry, does not bring a session back', async (t) => {
  const db = await schema(t)
  const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
  const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }
  await here.set('id', { cookie, user: 'alice' })
  const copied = structuredClone(await here.load('id'))
  await there.destroy('id')
  await here.set('id', copied)
  t.same(await rows(db), [])
})

test('a session that is not stored because it is taken for a copy of an ended one is logged once', async (t) => {
  const { logged, set, get, load, destroy } = sessions(t, { conString: (await schema(t)).url })
  const one = { cookie: { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }, user: 'alice' }
  await set('id', one)
  await load('id')
  await destroy('id')
  for (const session of [{ ...one }, { ...one, user: 'bob' }]) {
    await set('id', structuredClone(session))
    t.equal(await get('id'), null)
  }
  t.same(logged.map(({ message }) => message), [COPY_OF_ENDED])
})

test('a session with its own expiry, in the cookie of a library, is new under an id that has ended', async (t) => {
  const { set, load, destroy } = sessions(t, { conString: (await schema(t)).url })
  const expiringIn = (ms: number) => ({ originalMaxAge: ms, expires: new Date(Date.now() + ms), path: '/' })
  await set('id', { cookie: expiringIn(900_000), step: 1 })
  await load('id')
  await destroy('id')
  await set('id', { cookie: expiringIn(900_100), step: 2 })
  t.match(await load('id'), { step: 2 })
})

test('an id that was loaded and destroyed can be used for a new session', async (t) => {
  const { set, load, destroy } = sessions(t, { conString: (await schema(t)).url })
  for (const maxAge of [undefined, 900]) {
    await set('id', session({ step: 1 }, maxAge))
    await load('id')
    await destroy('id')
    await set('id', session({ step: 2 }, maxAge))
    t.match(await load('id'), { step: 2 })
    await destroy('id')
  }
})

test('sessions outside of a library are plain objects', async (t) => {
  const { store, set, get, all } = sessions(t, { conString: (await schema(t)).url, absoluteTtl: 3600 })
  await set('id', session({ user: { sub: 'alice' } }))
  const expected = { cookie: { originalMaxAge: null, expires: null }, user: { sub: 'alice' } }
  deepStrictEqual(await get('id'), expected)
  deepStrictEqual((await all())[0], expected)
  deepStrictEqual((await store.listByUser('alice'))[0]?.session, expected)
  t.pass('they equal plain objects')
})

test('a session of one table is new in another', async (t) => {
  const db = await schema(t)
  const one = sessions(t, { conString: db.url })
  const two = sessions(t, { conString: db.url, tableName: 'other' })
  await one.set('id', session({ user: 'alice' }, 900))
  await two.set('id', await one.load('id'))
  t.match(await two.load('id'), { user: 'alice' })
})
