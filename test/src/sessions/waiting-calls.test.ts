import { AsyncLocalStorage } from 'node:async_hooks'
import { promisify } from 'node:util'
import { test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import { rows, schema, session, sessions } from './harness.js'

const ROUNDS = 100

const getOf = (store: PgSessionStore) => promisify(store.get.bind(store))

test('a write that cannot be stored holds up no later call', async (t) => {
  const { store, set, load } = sessions(t, { conString: (await schema(t)).url, maxBytes: 1024 })
  await set('id', session({ n: 0 }, 900))
  const loaded = await load('id')
  const refused = t.rejects(set('id', { ...loaded, long: 'x'.repeat(2000) }), { code: 'ERR_SESSION_VALUE' })
  await set('id', Object.assign(loaded, { n: 1 }))
  await refused
  t.match(await getOf(store)('id'), { n: 1 })
})

test('a call that waited for a write calls back in its own async context', async (t) => {
  const request = new AsyncLocalStorage<string>()
  const { store, set } = sessions(t, { conString: (await schema(t)).url })
  await set('id', session({ n: 0 }, 900))
  const calls: Record<string, (done: () => void) => void> = {
    set: (done) => { store.set('id', session({ n: 1 }, 900), done) },
    get: (done) => { store.get('id', done) },
    touch: (done) => { store.touch('id', session({}, 900), done) },
    consume: (done) => { void store.consume('id').finally(done) },
    destroy: (done) => { store.destroy('id', done) },
    again: (done) => { store.get('id', done) }
  }
  const seen = Object.entries(calls).map(([name, call]) => request.run(name, () => new Promise((resolve) => {
    call(() => { resolve(request.getStore()) })
  })))
  t.same(await Promise.all(seen), Object.keys(calls))
})

test('replace waits for writes of its sessions, and calls for them wait for it', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  const get = getOf(store)
  await store.createTable()
  let right = 0
  for (let i = 0; i < ROUNDS; i++) {
    store.set(`former-${i}`, session({ n: i }, 900))
    const replaced = store.replace(`new-${i}`, session({ user: 'alice' }, 900), [`former-${i}`])
    const [former, next] = await Promise.all([get(`former-${i}`), get(`new-${i}`)])
    const [ended] = await replaced
    if (ended?.['n'] === i && former === null && next?.['user'] === 'alice') right++
  }
  t.equal(right, ROUNDS)
  t.equal((await rows(db)).length, ROUNDS)
})

test('sessions that replace each other crosswise do not wait for each other', async (t) => {
  const { store } = sessions(t, { conString: (await schema(t)).url, deadline: 2 })
  await store.createTable()
  for (let i = 0; i < 10; i++) {
    store.set('a', session({}, 900))
    await Promise.all([
      store.replace('b', session({}, 900), ['a', 'a']),
      store.replace('a', session({}, 900), ['b']),
      store.replace('b', session({}, 900), ['a'])
    ])
  }
  t.match(await getOf(store)('b'), {})
  t.equal(await getOf(store)('a'), null)
})
