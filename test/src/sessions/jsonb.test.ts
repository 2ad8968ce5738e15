import { test, type Test } from 'tap'
import { makeTable } from '../../support/tables.js'
import { poolOf, rows, schema, session, sessions, type Db } from './harness.js'

const REFUSED = { code: 'ERR_SESSION_VALUE', statusCode: 500 }

/** Values that JSON can hold and jsonb cannot. */
const VALUES = ['\0', 'a\0b', '\ud800', '\udfffx', { '\0': 1 }, { deep: [{ '\udc00': 1 }] }]

async function jsonb (t: Test): Promise<Db> {
  const db = await schema(t, { table: false })
  await makeTable(db.query, 'jsonb')
  return db
}

test('what jsonb refuses fails its own call', async (t) => {
  const db = await jsonb(t)
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  for (const [i, value] of VALUES.entries()) {
    const outcomes = await Promise.allSettled([
      set(`before${i}`, session({ n: 1 })),
      set(`bad${i}`, session({ value })),
      set(`after${i}`, session({ n: 2 }))
    ])
    t.match(outcomes, [
      { status: 'fulfilled' }, { status: 'rejected', reason: REFUSED }, { status: 'fulfilled' }
    ], JSON.stringify(value))
  }
  t.same((await rows(db)).filter(({ sid }) => sid.startsWith('bad')), [])

  for (const value of VALUES) {
    const [bad, good] = [await load('before0'), await load('after0')]
    const outcomes = await Promise.allSettled([
      set('before0', Object.assign(bad, { value })),
      set('after0', Object.assign(good, { value: 1 }))
    ])
    t.match(outcomes, [{ status: 'rejected', reason: REFUSED }, { status: 'fulfilled' }], JSON.stringify(value))
  }
  t.notOk('value' in await load('before0'))
})

test('what jsonb refuses fails a merge, put and replace', async (t) => {
  const db = await jsonb(t)
  const { store, set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', session({ n: 1 }))
  const [one, two] = [await load('id'), await load('id')]
  await set('id', Object.assign(one, { one: 1 }))
  await t.rejects(set('id', Object.assign(two, { two: '\0' })), REFUSED)
  await t.rejects(store.put('login', { state: '\ud800' }, 60), REFUSED)
  await t.rejects(store.replace('new', session({ text: '\0' }), ['id']), REFUSED)
  t.match(await load('id'), { n: 1, one: 1 })
  t.equal((await rows(db)).length, 1)
})

test('jsonb: an escaped backslash before u0000 is kept', async (t) => {
  const db = await jsonb(t)
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  const texts = ['\\u0000', '\\\\u0000', '\\ud800', '\ud83e\udd8a']
  await set('id', session({ texts }))
  t.same((await load('id'))['texts'], texts)
})

test('jsonb: an unchanged session is not written, whatever its order of keys and form of numbers', async (t) => {
  const db = await jsonb(t)
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  const content = { zebra: { yy: 1, a: 2 }, b: 1e21, small: -1.5e-7, a: [1e100, 0.1] }
  await set('id', session(content, 900))
  const [before] = await rows(db)
  const { cookie: _, ...loaded } = await load('id')
  t.same(loaded, content)
  await set('id', await load('id'))
  t.equal((await rows(db))[0]?.xmin, before?.xmin)
})

test('jsonb: the order of keys is not kept', async (t) => {
  const db = await jsonb(t)
  const { set, load } = sessions(t, { pool: poolOf(t, db.url) })
  await set('id', session({ zebra: 1, a: 2 }))
  t.same(Object.keys(await load('id')).filter((key) => key !== 'cookie'), ['a', 'zebra'])
})
