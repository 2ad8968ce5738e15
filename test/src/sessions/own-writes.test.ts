import { promisify } from 'node:util'
import pg from 'pg'
import { test, type Test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import { rows, schema, session, sessions, type Db } from './harness.js'
import { libraries } from './libraries.js'

const ROUNDS = 100

/** Locks a row until `release`. */
async function lockRow (t: Test, db: Db, sid: string): Promise<{ release: () => Promise<unknown> }> {
  const client = new pg.Client(db.url)
  await client.connect()
  t.teardown(() => client.end())
  await client.query('BEGIN')
  await client.query('SELECT FROM session WHERE sid = $1 FOR UPDATE', [sid])
  return { release: () => client.query('COMMIT') }
}

const getOf = (store: PgSessionStore) => promisify(store.get.bind(store))

for (const hashIds of [false, 'k'.repeat(32)] as const) {
  const ids = hashIds === false ? 'plain ids' : 'hashed ids'

  test(`get right after set gives the new state (${ids})`, async (t) => {
    const { store, set, load } = sessions(t, { conString: (await schema(t)).url, hashIds })
    const get = getOf(store)
    let right = 0
    for (let i = 0; i < ROUNDS; i++) {
      await set(`id-${i}`, session({ n: 'old' }, 900))
      store.set(`id-${i}`, Object.assign(await load(`id-${i}`), { n: 'new' }))
      if ((await get(`id-${i}`))?.['n'] === 'new') right++
    }
    t.equal(right, ROUNDS)
  })

  test(`get right after the set of a new session gives it (${ids})`, async (t) => {
    const { store } = sessions(t, { conString: (await schema(t)).url, hashIds })
    const get = getOf(store)
    let right = 0
    for (let i = 0; i < ROUNDS; i++) {
      store.set(`id-${i}`, session({ n: 'new' }, 900))
      if ((await get(`id-${i}`))?.['n'] === 'new') right++
    }
    t.equal(right, ROUNDS)
  })

  test(`get right after destroy gives null (${ids})`, async (t) => {
    const { store, set } = sessions(t, { conString: (await schema(t)).url, hashIds })
    const get = getOf(store)
    let right = 0
    for (let i = 0; i < ROUNDS; i++) {
      await set(`id-${i}`, session({}, 900))
      store.destroy(`id-${i}`)
      if (await get(`id-${i}`) === null) right++
    }
    t.equal(right, ROUNDS)
  })

  test(`destroy right after set leaves no row (${ids})`, async (t) => {
    const db = await schema(t)
    const { store, destroy } = sessions(t, { conString: db.url, hashIds })
    await store.createTable()
    await Promise.all(Array.from({ length: ROUNDS }, async (_, i) => {
      store.set(`id-${i}`, session({}, 900))
      await destroy(`id-${i}`)
    }))
    t.same(await rows(db), [])
  })
}

test('set right after destroy stores a new session, and no loaded one', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url })
  await set('id', session({ user: 'alice' }, 900))
  const loaded = await load('id')

  store.destroy('id')
  await set('id', Object.assign(loaded, { late: true }))
  t.same(await rows(db), [])

  store.destroy('id')
  await set('id', session({ user: 'bob' }, 900))
  t.match(await load('id'), { user: 'bob' })
})

test('every read sees the writes before it', async (t) => {
  const { store, set } = sessions(t, { conString: (await schema(t)).url })
  const get = getOf(store)
  await set('id', session({ n: 0 }, 900))
  const seen: Promise<number>[] = []
  for (let n = 1; n <= 20; n++) {
    store.set('id', session({ n }, 900))
    seen.push(get('id').then((found) => Number(found?.['n'])))
  }
  const isStale = (await Promise.all(seen)).map((n, index) => n < index + 1)
  t.notOk(isStale.includes(true))
})

test('two sets of one object take effect in their order', async (t) => {
  const { store, set, load } = sessions(t, { conString: (await schema(t)).url })
  const get = getOf(store)
  for (const isNew of [true, false]) {
    for (let i = 0; i < ROUNDS; i++) {
      const id = `${isNew}-${i}`
      if (!isNew) await set(id, session({ step: 0 }, 900))
      const one = isNew ? session({ step: 0 }, 900) : await load(id)
      store.set(id, Object.assign(one, { step: 1, first: true }))
      Reflect.deleteProperty(one, 'first')
      await set(id, Object.assign(one, { step: 2 }))
      const found = await get(id)
      if (found?.['step'] !== 2 || 'first' in found) t.fail(`${id}: ${JSON.stringify(found)}`)
    }
  }
})

for (const [library, serveApplication] of Object.entries(libraries)) {
  test(`${library}: a redirect that is followed at once arrives signed in`, async (t) => {
    const { store } = sessions(t, { conString: (await schema(t)).url })
    const origin = await serveApplication(t, {
      store,
      handlers: {
        '/in': ({ session }) => { session['user'] = 'alice' },
        '/': ({ session }) => ({ user: session['user'] })
      }
    })
    let right = 0
    for (let i = 0; i < ROUNDS; i++) {
      // express-session sends the headers before it saves, and browsers follow these
      const { headers } = await fetch(`${origin}/in`)
      const cookie = headers.getSetCookie().join().split(';')[0] ?? ''
      const arrived = await fetch(origin, { headers: { cookie } })
      if ((await arrived.text()).includes('alice')) right++
    }
    t.equal(right, ROUNDS)
  })
}

test('a read does not wait for a stuck write of another session', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url })
  const get = getOf(store)
  await set('stuck', session({ n: 0 }, 900))
  await set('other', session({ n: 0 }, 900))
  const stuck = await load('stuck')
  const { release } = await lockRow(t, db, 'stuck')
  const written = set('stuck', Object.assign(stuck, { n: 1 }))

  const began = performance.now()
  await set('other', Object.assign(await load('other'), { n: 1 }))
  t.match(await get('other'), { n: 1 })
  t.ok(performance.now() - began < 1000)

  const read = get('stuck')
  await release()
  await written
  t.match(await read, { n: 1 })
})

test('a read that waits for a stuck write ends within the deadline', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url, deadline: 1 })
  const get = getOf(store)
  await set('stuck', session({ n: 0 }, 900))
  const stuck = await load('stuck')
  const { release } = await lockRow(t, db, 'stuck')

  const began = performance.now()
  const outcomes = await Promise.allSettled([
    set('stuck', Object.assign(stuck, { n: 1 })),
    get('stuck'),
    set('stuck', Object.assign(stuck, { n: 2 })),
    get('stuck'),
    store.consume('stuck')
  ])

  t.ok(performance.now() - began < 2000)
  const [write] = outcomes
  t.equal(write.status, 'rejected')
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'ERR_DATABASE' })
  }
  await release()
})

const IDS = Array.from({ length: ROUNDS }, (_, i) => `id-${i}`)

test('writes of one session take effect in their order', async (t) => {
  const db = await schema(t)
  const { set, destroy, store, load } = sessions(t, { conString: db.url })
  await Promise.all(IDS.flatMap((id) => [set(id, session()), destroy(id)]))
  t.same(await rows(db), [], 'a destroy after a set')

  await Promise.all(IDS.flatMap((id) => [set(id, session()), store.consume(id), set(id, session({ again: true }))]))
  t.equal((await rows(db)).length, ROUNDS, 'a set after a consume after a set')

  const one = session({ step: 0 }, 900)
  await Promise.all(IDS.map((_, step) => set('one', Object.assign(one, { step }))))
  t.match(await load('one'), { step: ROUNDS - 1 })
})
