import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'tap'
import { schema, session, sessions } from './harness.js'

/** The id of the current request, kept as a tracer or a request logger keeps it. */
const request = new AsyncLocalStorage<string>()

test('Batched calls call back in their own async context', async (t) => {
  const db = await schema(t)
  const { store, set, load } = sessions(t, { conString: db.url })
  const ids = ['a', 'b', 'c'].map((name) => `session-${name}`)
  for (const id of ids) await set(id, session({ n: 0 }, 900))
  const loaded = await Promise.all(ids.map(load))
  const changed = loaded.map((one) => Object.assign(one, { n: 1 }))
  const calls: Record<string, (id: string, index: number, done: () => void) => void> = {
    get: (id, _index, done) => { store.get(id, done) },
    update: (id, index, done) => { store.set(id, changed[index] ?? {}, done) },
    insert: (id, _index, done) => { store.set(`new-${id}`, session({ n: 0 }, 900), done) },
    touch: (id, _index, done) => { store.touch(id, session({}, 900), done) },
    destroy: (id, _index, done) => { store.destroy(id, done) },
    refuse: (id, _index, done) => { store.set(id, session({ n: 1n }, 900), done) }
  }

  for (const [name, call] of Object.entries(calls)) {
    const seen = await Promise.all(ids.map((id, index) => request.run(id, () => new Promise((resolve) => {
      call(id, index, () => { resolve(request.getStore()) })
    }))))
    t.same(seen, ids, name)
  }
})
