import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import { age, poolOf, rows, schema, session, sessions, type Db } from './harness.js'

const key = 'a'.repeat(32)
const IDS = Array.from({ length: 10 }, (_, n) => `id${n}`)

/** Begins a transaction that locks this row, until `release`. */
async function lockRow (t: Test, db: Db, sid: string): Promise<{ release: () => Promise<void> }> {
  const client = await poolOf(t, db.url).connect()
  await client.query('BEGIN')
  await client.query('SELECT FROM session WHERE sid = $1 FOR UPDATE', [sid])
  return {
    async release () {
      await client.query('ROLLBACK')
      client.release()
    }
  }
}

const contentOf = async (store: PgSessionStore, ids: readonly string[]): Promise<unknown[]> =>
  Promise.all(ids.map(async (id) => (await store.consume(id))?.['n'] ?? null))

test('Calls at the same time get their own sessions', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url })
  for (const [n, id] of IDS.entries()) await set(id, session({ n }))
  t.same(await contentOf(store, ['none', ...IDS]), [null, ...IDS.keys()])
  t.same(await rows(db), [])
})

test('Of two processes that consume the same sessions, only one gets each', async (t) => {
  const db = await schema(t)
  const [{ store: here, set }, { store: there }] =
    [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
  for (let round = 0; round < 10; round++) {
    await Promise.all(IDS.map((id, n) => set(id, session({ n }))))
    const [ours, theirs] = await Promise.all([contentOf(here, IDS), contentOf(there, [...IDS].reverse())])
    theirs.reverse()
    for (const n of IDS.keys()) t.same([ours[n], theirs[n]].filter((one) => one !== null), [n], `session ${n}`)
  }
  t.same(await rows(db), [])
})

test('A locked row holds up its own call only', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url })
  for (const id of ['first', 'locked', 'last']) await set(id, session({ n: id }))
  const { release } = await lockRow(t, db, 'locked')
  const ended: string[] = []
  const consumed = Promise.all(['first', 'locked', 'last'].map(async (id) => {
    const found = await store.consume(id)
    ended.push(id)
    return found?.['n']
  }))
  await sleep(500)
  t.same(ended, ['first', 'last'])
  await release()
  t.same(await consumed, ['first', 'locked', 'last'])
  t.same(await rows(db), [])
})

test('A row that stays locked fails its own call only, in time', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url })
  for (const id of ['locked', 'free']) await set(id, session({ n: id }))
  const { release } = await lockRow(t, db, 'locked')
  const beganMs = performance.now()
  const [locked, free] = await Promise.allSettled([store.consume('locked'), store.consume('free')])
  t.ok(performance.now() - beganMs < 6500)
  t.match([locked, free], [{ reason: { code: 'ERR_DATABASE' } }, { value: { n: 'free' } }])
  await release()
})

test('Sessions are found under each stored id', async (t) => {
  const db = await schema(t)
  const [plain, { set, store }] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url, hashIds: key })]
  await plain.set('legacy', session({ n: 'legacy' }))
  await set('current', session({ n: 'current' }))
  await plain.set('expired', session({ n: 'live' }))
  await set('expired', session({ n: 'expired' }))
  await age(db, 1, (await rows(db)).find(({ sess }) => sess.includes('"expired"'))?.sid)
  t.same(await contentOf(store, ['legacy', 'current', 'expired', 'none']), ['legacy', 'current', 'live', null])
  t.same(await rows(db), [])
})

test('Both rows of an id are deleted, even if one is locked', async (t) => {
  const db = await schema(t)
  const [plain, { set, store }] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url, hashIds: key })]
  await plain.set('id', session({ n: 'before' }))
  for (const id of ['id', 'other']) await set(id, session({ n: id }))
  const { release } = await lockRow(t, db, 'id')
  const consumed = contentOf(store, ['id', 'other'])
  await sleep(200)
  await release()
  t.same(await consumed, ['id', 'other'])
  t.same(await rows(db), [])
})

test('put refuses a lifetime that is none, and names it', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  await store.put('long', {}, 1e9)
  for (const ttl of [0, -1, NaN, Infinity, '60', undefined]) {
    const refused = new TypeError('PgSessionStore: ttl must be a number of seconds above 0')
    await t.rejects(store.put('id', {}, ttl as number), refused)
  }
  await t.rejects(store.put('id', {}, 1e13), /^PgSessionStore: ttl must be a number of seconds that ends before/)
  t.equal((await rows(db)).length, 1)
})
