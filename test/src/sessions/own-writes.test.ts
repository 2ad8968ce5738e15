import pg from 'pg'
import { test } from 'tap'
import { application } from './applications.js'
import { rows, schema, session, sessions } from './harness.js'

const ROUNDS = 100
const ids = Array.from({ length: ROUNDS }, (_, i) => `id-${i}`)

test('get sees a set that has not called back', async (t) => {
  const { set, get } = sessions(t, { conString: (await schema(t)).url })
  for (const id of ids) await set(id, session({ step: 1 }, 900))
  const loaded = await Promise.all(ids.map((id) => get(id)))
  const seen = await Promise.all(ids.map(async (id, i) => {
    const writing = set(id, Object.assign(loaded[i] as object, { step: 2 }))
    const after = await get(id)
    await writing
    return after?.['step']
  }))
  t.same(seen, ids.map(() => 2))
})

test('get sees a new session whose set has not called back', async (t) => {
  const { set, get } = sessions(t, { conString: (await schema(t)).url })
  const seen = await Promise.all(ids.map(async (id) => {
    const writing = set(id, session({ id }))
    const after = await get(id)
    await writing
    return after?.['id']
  }))
  t.same(seen, ids)
})

test('get does not see a session whose destroy has not called back', async (t) => {
  const { set, get, destroy } = sessions(t, { conString: (await schema(t)).url })
  for (const id of ids) await set(id, session())
  const seen = await Promise.all(ids.map(async (id) => {
    const ending = destroy(id)
    const after = await get(id)
    await ending
    return after
  }))
  t.same(seen, ids.map(() => null))
})

test('writes of one session take effect in their order', async (t) => {
  const db = await schema(t)
  const { set, destroy, store, load } = sessions(t, { conString: db.url })
  await Promise.all(ids.flatMap((id) => [set(id, session()), destroy(id)]))
  t.same(await rows(db), [], 'a destroy after a set')

  await Promise.all(ids.flatMap((id) => [set(id, session()), store.consume(id), set(id, session({ again: true }))]))
  t.equal((await rows(db)).length, ROUNDS, 'a set after a consume after a set')

  const one = session({ step: 0 }, 900)
  await Promise.all(ids.map((_, step) => set('one', Object.assign(one, { step }))))
  t.match(await load('one'), { step: ROUNDS - 1 })
})

test('Express: a redirect that is followed at once finds the sign-in', async (t) => {
  const { store } = sessions(t, { conString: (await schema(t)).url })
  const app = await application(t, 'express-session', store, {
    '/in': ({ session }) => { session['user'] = 'alice' },
    '/': ({ session }) => session['user'] ?? null
  })
  const seen = await Promise.all(ids.map(async () => {
    const { get } = app.visitor()
    await get('/in')
    return (await get('/')).body
  }))
  t.same(seen, ids.map(() => 'alice'))
})

test('a write that is stuck holds up its own session only, and within the deadline', async (t) => {
  const db = await schema(t)
  const { set, get, destroy } = sessions(t, { conString: db.url, deadline: 1 })
  for (const id of ['stuck', 'free']) await set(id, session({ id }))
  const locker = new pg.Client(db.url)
  await locker.connect()
  t.teardown(() => locker.end())
  await locker.query('BEGIN; SELECT FROM session WHERE sid = \'stuck\' FOR UPDATE')

  const began = performance.now()
  const failing = t.rejects(destroy('stuck'), { code: 'ERR_DATABASE' })
  const waiting = get('stuck').then((found) => found?.['id'], (error: { code: string }) => error.code)
  t.match(await get('free'), { id: 'free' })
  t.ok(performance.now() - began < 900)
  await failing
  t.ok(['stuck', 'ERR_DATABASE'].includes(String(await waiting)))
  t.ok(performance.now() - began < 2500)
})
