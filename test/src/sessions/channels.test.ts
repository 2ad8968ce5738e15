import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test, type Test } from 'tap'
import type { StoreCall, StoreMerge, StoreStatement } from '../../../src/sessions/index.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { database } from '../../support/database.js'

async function build (t: Test): Promise<PgSessionStore> {
  const store = new PgSessionStore({ conString: (await database(t)).url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await store.createTable()
  return store
}

/** The messages of one store, without `store`. */
function listen<Message extends { store: object }> (t: Test, store: object, name: string): Omit<Message, 'store'>[] {
  const messages: Omit<Message, 'store'>[] = []
  const listener = (message: unknown) => {
    const { store: own, ...rest } = message as Message
    if (own === store) messages.push(rest)
  }
  subscribe(`cashsouk-auth:store:${name}`, listener)
  t.teardown(() => { unsubscribe(`cashsouk-auth:store:${name}`, listener) })
  return messages
}

test('Each call is published, with its duration and its error', async (t) => {
  const store = await build(t)
  const calls = listen<StoreCall>(t, store, 'call')
  await store.promises.set('one', { cookie: {}, n: 1 })
  await store.promises.get('one')
  await store.promises.set('one', { cookie: {}, n: '\0' })
  await store.consume('one')
  await t.rejects(store.promises.set('two', { cookie: {}, n: 1n }))
  t.same(calls.map(({ call }) => call), ['insert', 'get', 'insert', 'consume'])
  for (const { durationMs, error } of calls) {
    t.ok(durationMs > 0 && durationMs < 10_000)
    t.equal(error, undefined)
  }
  await store.close()
  await t.rejects(store.promises.get('one'))
  t.match(calls.at(-1), { call: 'get', error: { code: 'ERR_DATABASE' } })
})

test('A statement is published with its calls, each in its own async context', async (t) => {
  const store = await build(t)
  const statements = listen<StoreStatement>(t, store, 'statement')
  const context = new AsyncLocalStorage<number>()
  await Promise.all([1, 2, 3].map((n) => context.run(n, () => store.promises.get(`id ${n}`))))
  const [statement] = statements
  t.match(statement, { call: 'get', error: undefined, text: /\$1/ })
  const seen = statement?.callers?.map((caller) => caller.runInAsyncScope(() => context.getStore()))
  t.same(seen, [1, 2, 3])
})

test('A lone insert has a statement of its own, which is planned faster than that of several', async (t) => {
  const store = await build(t)
  const statements = listen<StoreStatement>(t, store, 'statement')
  const inserted = async (ids: string[]) => {
    await Promise.all(ids.map((id) => store.promises.set(id, { cookie: {}, id })))
    t.match(await Promise.all(ids.map((id) => store.promises.get(id))), ids.map((id) => ({ id })))
  }
  await inserted(['one'])
  await inserted(['two', 'three'])
  const inserts = statements.filter(({ call }) => call === 'insert')
  t.same(inserts.map(({ text }) => text?.includes('unnest')), [false, true])
})

test('Merges, sessions without a write and pruned rows are published', async (t) => {
  const store = await build(t)
  const [merges, unwritten, pruned] = [
    listen<StoreMerge>(t, store, 'merge'), listen(t, store, 'unwritten'), listen(t, store, 'prune')
  ]
  await store.promises.set('one', { cookie: {}, n: 1 })
  const [first, second] = [await store.promises.get('one'), await store.promises.get('one')]
  await store.promises.set('one', Object.assign(first ?? {}, { n: 2 }))
  await store.promises.set('one', Object.assign(second ?? {}, { n: 3 }))
  t.same(merges, [{ isOverwritten: true }])
  await store.promises.set('one', await store.promises.get('one') ?? {})
  t.same(unwritten, [{}])
  await store.prune()
  t.same(pruned, [{ removed: 0 }])
})

test('A sample counts live rows, and tells how far pruning is behind', async (t) => {
  const db = await database(t)
  const store = new PgSessionStore({ conString: db.url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await store.createTable()
  t.same(await store.sample(), { rows: 0, isEstimate: false, pruneLagMs: 0 })
  await db.query(`
    INSERT INTO session (sid, sess, expire)
    SELECT 'live ' || n, '{}'::json, timezone('utc', now()) + interval '1 hour'
    FROM generate_series(1, 3) AS n
    UNION ALL
    SELECT 'expired', '{}'::json, timezone('utc', now()) - interval '90 seconds'`)
  const { rows, isEstimate, pruneLagMs } = await store.sample()
  t.same({ rows, isEstimate }, { rows: 3, isEstimate: false })
  t.ok(pruneLagMs >= 90_000 && pruneLagMs < 150_000, String(pruneLagMs))
  await db.query(`
    INSERT INTO session (sid, sess, expire)
    SELECT 'more ' || n, '{}'::json, timezone('utc', now()) + interval '1 hour'
    FROM generate_series(1, 12000) AS n`)
  await db.query('ANALYZE session')
  t.match(await store.sample(), { rows: 12_004, isEstimate: true })
})
