import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type Test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import { database } from '../../support/database.js'
import { poolOf, session, sessions, withTable } from './harness.js'

/** The URL of a server that accepts connections and never answers. */
async function hanging (t: Test): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => { sockets.add(socket.on('error', () => {})) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `postgres://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/database`
}

/** Every method, all for the same session: a call also waits for those before it. */
const methods = (store: PgSessionStore): Record<string, () => Promise<unknown>> => ({
  set: () => store.promises.set('id', session()),
  get: () => store.promises.get('id'),
  touch: () => store.promises.touch('id', session()),
  consume: () => store.consume('id'),
  put: () => store.put('id', { n: 1 }, 60),
  destroy: () => store.promises.destroy('id'),
  replace: () => store.replace('new', session(), ['id']),
  all: () => store.promises.all(),
  length: () => store.promises.length(),
  clear: () => store.promises.clear(),
  listByUser: () => store.listByUser('alice'),
  destroyByUser: () => store.destroyByUser('alice'),
  acquireLease: () => store.acquireLease('id', 1000),
  prune: () => store.prune(),
  ping: () => store.ping(),
  createTable: () => store.createTable()
})

for (const own of [true, false]) {
  const whose = own ? 'its own' : 'a given'
  test(`deadline: 1 bounds every method on a database that hangs, with ${whose} pool`, async (t) => {
    const conString = await hanging(t)
    const pool = own ? undefined : poolOf(t, conString, { connectionTimeoutMillis: 3000 })
    const { store } = sessions(t, { deadline: 1, ...(pool === undefined ? { conString } : { pool }) })
    await Promise.all(Object.entries(methods(store)).map(async ([name, call]) => {
      const began = performance.now()
      await t.rejects(call(), { code: 'ERR_DATABASE', statusCode: 503 }, name)
      const ms = performance.now() - began
      t.ok(ms > 900 && ms < 1700, `${name} failed after ${Math.round(ms)} ms`)
    }))
  })
}

for (const own of [true, false]) {
  test(`deadline: 20 lets statements of 6 s succeed, with ${own ? 'its own' : 'a given'} pool`, async (t) => {
    const db = await withTable(await database(t))
    const { store, set, get } = sessions(t, {
      deadline: 20, ...(own ? { conString: db.url } : { pool: poolOf(t, db.url) })
    })
    await set('id', session({ n: 1 }))
    const locker = await poolOf(t, db.url).connect()
    await locker.query('BEGIN; LOCK TABLE session')
    const released = locker.query('SELECT pg_sleep(6)').then(() => locker.query('COMMIT'))
    const began = performance.now()
    await Promise.all([set('other', session({ n: 2 })), get('id'), store.prune()])
    t.ok(performance.now() - began > 5500)
    await released
    locker.release()
    t.match(await get('other'), { n: 2 })
  })
}

test('conObject keeps its own time limits, whatever the deadline', async (t) => {
  const connectionString = await hanging(t)
  const { get } = sessions(t, { deadline: 20, conObject: { connectionString, connectionTimeoutMillis: 200 } })
  const began = performance.now()
  await t.rejects(get('id'), { code: 'ERR_DATABASE' })
  t.ok(performance.now() - began < 1500)
})

test('a deadline of years is not over at once', async (t) => {
  const db = await withTable(await database(t))
  for (const connection of [{ conString: db.url }, { pool: poolOf(t, db.url) }]) {
    const { set, load } = sessions(t, { deadline: 1e9, ...connection })
    await set('id', session({ n: 1 }))
    t.match(await load('id'), { n: 1 })
  }
})
