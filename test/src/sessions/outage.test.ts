import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import pg from 'pg'
import { t as file, test, type Test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import type { SessionData } from '../../../src/sessions/types.js'
import { database, withSetting, type Database } from '../../support/database.js'
import { stoppablePostgres, type StoppablePostgres } from '../../support/stoppable-postgres.js'
import { until } from '../../support/until.js'
import { inProcess, poolOf, session, sessions, withTable } from './harness.js'

file.jobs = 4 // most of these tests wait

interface Outcome { calls: number, error: unknown, ms: number }

/** Calls every method at once and notes the outcomes. Resolves when all have ended, or after `patience` ms. */
async function callAll (store: PgSessionStore, patience = 6500): Promise<Record<string, Outcome>> {
  const began = performance.now()
  const outcomes: Record<string, Outcome> = {}
  const note = (name: string) => {
    const outcome: Outcome = outcomes[name] = { calls: 0, error: undefined, ms: Infinity }
    return (error?: unknown) => {
      outcome.calls++
      outcome.error = error
      outcome.ms = performance.now() - began
    }
  }
  store.get('id', note('get'))
  store.set('id', session({ user: 'alice' }), note('set'))
  store.touch('touched', session(), note('touch'))
  store.destroy('destroyed', note('destroy'))
  store.all(note('all'))
  store.length(note('length'))
  store.clear(note('clear'))
  for (const name of ['prune', 'ping', 'createTable'] as const) {
    store[name]().then(() => { note(name)(null) }, note(name))
  }
  store.consume('consumed').then(() => { note('consume')(null) }, note('consume'))
  for (const name of ['listByUser', 'destroyByUser'] as const) {
    store[name]('alice').then(() => { note(name)(null) }, note(name))
  }
  const ended = () => Object.values(outcomes).filter(({ calls }) => calls > 0).length
  while (performance.now() - began < patience && ended() < 13) await sleep(20)
  await sleep(100) // for calls that would call back twice
  return outcomes
}

/** Words from the errors of the driver and the system, which must not reach a caller. */
const INSIDE = /127\.0\.0\.1|localhost|ECONN|EPIPE|socket|connect|terminat|time-?out|postgres|admin|pg_|:\d{4}|\d{5}/i

function allFailed (t: Test, outcomes: Record<string, Outcome>): void {
  t.same(Object.keys(outcomes).sort(), [
    'all', 'clear', 'consume', 'createTable', 'destroy', 'destroyByUser', 'get', 'length',
    'listByUser', 'ping', 'prune', 'set', 'touch'
  ])
  for (const [name, { calls, error, ms }] of Object.entries(outcomes)) {
    t.equal(calls, 1, `${name} called back once`)
    t.ok(ms < 6500, `${name} called back after ${Math.round(ms)} ms`)
    const { code, statusCode, message, cause } = error as Error & { code: string, statusCode: number }
    t.same([code, statusCode], ['ERR_DATABASE', 503], name)
    t.notMatch(message, INSIDE, name)
    t.notMatch(JSON.stringify(error), INSIDE, name)
    t.ok(cause instanceof Error && cause.message.length > 5, `${name} has the reason as its cause: ${inspect(cause)}`)
    t.same(Object.keys(cause as object), [], 'the cause has no other properties')
  }
}

async function allSucceed (t: Test, store: PgSessionStore): Promise<void> {
  for (const [name, { calls, error }] of Object.entries(await callAll(store))) {
    t.equal(calls, 1, `${name} called back once`)
    t.ok(error === null || error === undefined, `${name} succeeds`)
  }
}

/** A TCP server that treats every connection in the same way. */
async function listener (t: Test, fate: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    fate(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `postgres://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/database`
}

const fates: Record<string, (socket: Socket) => void> = {
  'accepts and never answers': () => {},
  'hangs up at once': (socket) => { socket.destroy() },
  'answers garbage': (socket) => { socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') }
}
for (const [what, fate] of Object.entries(fates)) {
  test(`a database port that ${what} is ERR_DATABASE in time`, async (t) => {
    const { store } = sessions(t, { conString: await listener(t, fate) })
    allFailed(t, await callAll(store))
  })
}

test('conObject can set other time limits', async (t) => {
  const connectionString = await listener(t, () => {})
  const { get } = sessions(t, { conObject: { connectionString, connectionTimeoutMillis: 200 } })
  const began = Date.now()
  await t.rejects(get('id'), { code: 'ERR_DATABASE' })
  t.ok(Date.now() - began < 1500)
})

test('a refused connection is ERR_DATABASE at once', async (t) => {
  const { store } = sessions(t, { conString: 'postgres://user:password@127.0.0.1:1/database' })
  const outcomes = await callAll(store)
  allFailed(t, outcomes)
  t.ok(Object.values(outcomes).every(({ ms }) => ms < 1000))
})

test('a batch that cannot connect is not retried call by call', async (t) => {
  const pool = poolOf(t, 'postgres://user:password@127.0.0.1:1/database')
  let attempts = 0
  pool.connect = new Proxy(pool.connect.bind(pool), {
    apply (target, self, args: []) {
      attempts++
      return Reflect.apply(target, self, args) as unknown
    }
  })
  const { get } = sessions(t, { pool })
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => get(`${i}`)))
  t.ok(outcomes.every(({ status }) => status === 'rejected'))
  t.equal(attempts, 1)
})

test('a missing Unix socket is not a missing session', async (t) => {
  const { get } = sessions(t, { conObject: { host: '/nonexistent', database: 'x', user: 'x' } })
  await t.rejects(get('id'), { code: 'ERR_DATABASE' })
})

test('a refused password is ERR_DATABASE and is not revealed', async (t) => {
  const { url } = await withTable(await database(t))
  const { store } = sessions(t, { conString: Object.assign(new URL(url), { password: 'hunter2' }).href })
  const outcomes = await callAll(store)
  allFailed(t, outcomes)
  t.notMatch(inspect(outcomes, { depth: 9 }), /hunter2/)
})

const ends: Record<string, (postgres: StoppablePostgres) => Promise<void>> = {
  stopped: (postgres) => postgres.stop(), killed: (postgres) => postgres.kill()
}
for (const [what, end] of Object.entries(ends)) {
  test(`calls fail once while the database is ${what}, then recover`, async (t) => {
    const postgres = await withTable(await stoppablePostgres(t))
    const { store, set, load, logged } = sessions(t, { conString: postgres.url })
    await set('kept', session({ user: 'alice' }))
    await Promise.all([1, 2, 3].map(() => load('kept'))) // several idle connections

    await end(postgres)
    allFailed(t, await callAll(store))
    await postgres.start()
    await until(async () => await load('kept') !== undefined)

    t.match(await load('kept'), { user: 'alice' })
    await allSucceed(t, store)
    t.ok(logged.every(({ message }) => message === 'An idle database connection was lost'))
  })
}

test('calls to a frozen database fail in time and do no harm later', async (t) => {
  const postgres = await withTable(await stoppablePostgres(t))
  const given = poolOf(t, postgres.url, { max: 4 }) // without time limits of its own
  const stores = [sessions(t, { conString: postgres.url }), sessions(t, { pool: given })] as const
  for (const { set, load } of stores) {
    await set('kept', session({ user: 'alice' }))
    await Promise.all([1, 2, 3].map(() => load('kept')))
  }

  postgres.freeze()
  for (const outcomes of await Promise.all(stores.map(({ store }) => callAll(store)))) allFailed(t, outcomes)
  postgres.thaw()
  for (const { load } of stores) await until(async () => await load('kept') !== undefined)

  // Any of the calls may have reached the server, but none may run after a later call.
  for (const { set, load, store } of stores) {
    await set('kept', session({ user: 'bob' }))
    await sleep(200)
    t.match(await load('kept'), { user: 'bob' })
    await allSucceed(t, store)
  }
})

test('calls to an exhausted pool fail in time and never run', async (t) => {
  const db = await withTable(await database(t))
  const pool = poolOf(t, db.url, { max: 1 })
  const { store, length } = sessions(t, { pool })
  await length()
  const client = await pool.connect()
  allFailed(t, await callAll(store))
  let queries = 0
  t.equal(pool.waitingCount, 13)
  client.query = new Proxy(client.query.bind(client), { apply () { queries++ } })
  client.release()
  await sleep(100)
  t.equal(queries, 0)
  t.equal(pool.idleCount, 1)
})

test('a locked row fails only its own call, in time', async (t) => {
  const db = await withTable(await database(t))
  const { set, get, destroy, length } = sessions(t, { conString: db.url })
  await set('locked', session())
  await set('free', session())
  const locker = new pg.Client(db.url)
  await locker.connect()
  t.teardown(() => locker.end())
  await locker.query('BEGIN; SELECT FROM session WHERE sid = \'locked\' FOR UPDATE')
  const began = Date.now()
  const failed = t.rejects(destroy('locked'), { code: 'ERR_DATABASE' })
  await destroy('free')
  t.equal(await get('free'), null)
  await failed
  t.ok(Date.now() - began < 6500)
  await locker.query('ROLLBACK')
  t.type(await length(), 'number')
})

test('creating the table has the deadline of every call', async (t) => {
  const db = await database(t)
  const locker = new pg.Client(db.url)
  await locker.connect()
  t.teardown(() => locker.end())
  await locker.query('BEGIN; CREATE TABLE session (sid int PRIMARY KEY)') // another CREATE waits for this transaction
  const pool = poolOf(t, db.url, { max: 1 })
  const { set } = sessions(t, { pool })
  const client = await pool.connect()
  setTimeout(() => { client.release() }, 2000) // the wait for the pool counts towards the deadline
  const began = Date.now()
  await t.rejects(set('id', session()), { code: 'ERR_DATABASE' })
  t.ok(Date.now() - began < 6500)
  await locker.query('ROLLBACK')
  await set('id', session())
})

test('close ends in time while the database is frozen', async (t) => {
  const postgres = await withTable(await stoppablePostgres(t))
  const { store, length } = sessions(t, { conString: postgres.url })
  await length()
  postgres.freeze()
  void length().catch(() => {})
  void store.prune().catch(() => {})
  const began = Date.now()
  await store.close()
  t.ok(Date.now() - began < 6500)
})

test('a throwing callback is called once and its error is uncaught', async (t) => {
  const { url } = await withTable(await database(t))
  const { calls, uncaught, stored } = await inProcess(t, 'throwingCallbacks', { url })
  t.same(calls, { get: 1, set: 1, touch: 1, destroy: 1, all: 1, length: 1, error: 1 })
  t.same(uncaught, ['all', 'destroy', 'error', 'get', 'length', 'set', 'touch'])
  t.ok(stored, 'the session is still there')
})

test('a lost connection, idle or in use, does not end the process', async (t) => {
  const db = await withTable(await database(t))
  const outcomes = await inProcess(t, 'terminated', db)
  for (const [what, outcome] of Object.entries(outcomes)) {
    const write = what.includes('idle') ? 'ok' : 'ERR_DATABASE' // it may have been run
    t.same(outcome, { read: ['ok'], write: [write], afterwards: 0 }, what)
  }
  t.equal(Object.keys(outcomes).length, 6)
})

test('a connection to a read-only standby is discarded', async (t) => {
  const db = await withTable(await database(t))
  const pool = poolOf(t, await withSetting(t, db, 'default_transaction_read_only', 'on'), { max: 1 })
  await sessions(t, { conString: db.url }).store.createTable()
  const { set } = sessions(t, { pool })
  await t.rejects(set('id', session()), { code: 'ERR_DATABASE', cause: { message: /^25006: / } })
  t.equal(pool.totalCount, 0)
})

test('a connection in a failed transaction is discarded', async (t) => {
  const db = await withTable(await database(t))
  const pool = poolOf(t, db.url, { max: 1 })
  const { length } = sessions(t, { pool })
  await length()
  const client = await pool.connect()
  await t.rejects(client.query('BEGIN; SELECT 1 / 0'))
  client.release()
  await t.rejects(length(), { code: 'ERR_DATABASE', cause: { message: /^25P02: / } })
  t.equal(await length(), 0)
})

test('connections gain no listeners, and late errors end no process', async (t) => {
  const db = await withTable(await database(t))
  await sessions(t, { conString: db.url }).store.createTable()
  const connectionString = await withSetting(t, db, 'default_transaction_read_only', 'on')
  const pool = new pg.Pool({ connectionString, max: 1 }) // without a listener
  t.teardown(() => pool.end())
  const clients: pg.PoolClient[] = []
  pool.on('connect', (client) => { clients.push(client) })
  const { set, length } = sessions(t, { pool })
  const listeners = []
  for (let i = 0; i < 3; i++) {
    await length()
    listeners.push(clients[0]?.listenerCount('error'))
  }
  t.equal(new Set(listeners).size, 1, String(listeners))

  await t.rejects(set('id', session()), { code: 'ERR_DATABASE' })
  t.doesNotThrow(() => clients[0]?.emit('error', new Error('late')))
  pool.on('error', () => {}) // the database is dropped before the last connection closes
  t.equal(await length(), 0)
  t.equal(clients.length, 2)
})

test('an error contains no stored value', async (t) => {
  const db = await withTable(await database(t))
  const { set, length } = sessions(t, { conString: db.url })
  await length()
  await db.query('ALTER TABLE session ADD CHECK (sess::json ->> \'user\' <> \'alice\')')
  const error: unknown = await set('secret-id', session({ user: 'alice', token: 'secret-token' }))
    .catch((error: unknown) => error)
  t.match(error, { code: 'ERR_DATABASE' })
  t.notMatch(inspect(error, { depth: 9, showHidden: true }), /secret-id|secret-token|alice/)
})

test('a change left out of its batch has the deadline of every call', async (t) => {
  const db = await withTable(await database(t))
  const pool = poolOf(t, db.url, { max: 1 }) // without time limits of its own
  const { set, load, destroy } = sessions(t, { pool })
  const locker = new pg.Client(db.url)
  await locker.connect()
  t.teardown(() => locker.end())
  for (const id of ['locked', 'free']) await set(id, session())
  const loaded = [await load('locked'), await load('free')] as const
  await locker.query('BEGIN; SELECT FROM session WHERE sid = \'locked\' FOR UPDATE')

  const client = await pool.connect()
  setTimeout(() => { client.release() }, 4000)
  const began = Date.now()
  const [first, second, third] = await Promise.allSettled([
    ...['locked', 'free'].map((id, i) => set(id, Object.assign(loaded[i] ?? {}, { changed: true }))),
    destroy('locked'),
    destroy('other')
  ])
  t.ok(Date.now() - began < 6500, `${Date.now() - began} ms`)
  t.match([first, second, third], [{ status: 'rejected' }, { status: 'fulfilled' }, { status: 'rejected' }])
  await locker.query('ROLLBACK')
})

test('a queued call past its deadline fails without a query', async (t) => {
  const db = await withTable(await database(t))
  const pool = poolOf(t, db.url)
  const { set, length } = sessions(t, { pool })
  await length()
  await Promise.all([1, 2].map(() => pool.query('SELECT pg_sleep(0.1)'))) // two idle connections
  const locker = new pg.Client(db.url)
  await locker.connect()
  t.teardown(() => locker.end())
  await locker.query('BEGIN; INSERT INTO session (sid, sess, expire) VALUES (\'id\', \'{}\', now())')
  let statements = 0
  pool.on('acquire', () => { statements++ })

  const began = Date.now()
  const outcomes = await Promise.allSettled([set('id', session()), set('id', session())])
  t.ok(Date.now() - began < 6500, `${Date.now() - began} ms`)
  t.match(outcomes, [{ reason: { code: 'ERR_DATABASE' } }, { reason: { code: 'ERR_DATABASE' } }])
  t.equal(statements, 1)
  await locker.query('ROLLBACK')
  t.type(await length(), 'number')
})

/** Whether a statement in the database waits for a lock. */
async function isAwaited (db: Pick<Database, 'query'>): Promise<boolean> {
  const waiting = await db.query(`
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`)
  return waiting.length > 0
}

for (const level of ['repeatable read', 'serializable']) {
  test(`${level}: 15 changes of one session at the same time are all kept`, async (t) => {
    const db = await withTable(await database(t))
    const conString = await withSetting(t, db, 'default_transaction_isolation', level)
    const stores = Array.from({ length: 15 }, () => sessions(t, { conString, deadline: 15 }))
    const [first] = stores
    for (let round = 0; round < 5; round++) {
      await first?.set('id', session({ round }, 900))
      const loaded = await Promise.all(stores.map(({ load }) => load('id')))
      loaded.forEach((one, i) => { one[`k${i}`] = i })
      await Promise.all(stores.map(({ set }, i) => set('id', loaded[i] as SessionData)))
      const found = await first?.load('id') ?? {}
      t.equal(Object.keys(found).filter((key) => key.startsWith('k')).length, 15)
      await first?.destroy('id')
    }
  })
}

test('a statement is retried after a serialization failure', async (t) => {
  const db = await withTable(await database(t))
  const conString = await withSetting(t, db, 'default_transaction_isolation', 'repeatable read')
  const { set, destroy, length } = sessions(t, { conString })
  await set('id', session())
  const other = new pg.Client(db.url)
  await other.connect()
  t.teardown(() => other.end())
  await other.query('BEGIN; UPDATE session SET expire = expire + interval \'1 second\'')
  const waiting = destroy('id')
  await until(() => isAwaited(db))
  await other.query('COMMIT') // the waiting call gets a serialization failure
  await waiting
  t.equal(await length(), 0)
})

test('a lookup by user without its column has the deadline of every call', async (t) => {
  const db = await database(t)
  await db.query('CREATE TABLE session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)')
  const { store } = sessions(t, { pool: poolOf(t, db.url) }) // without time limits of its own
  const locker = new pg.Client(db.url)
  await locker.connect()
  t.teardown(() => locker.end())
  await locker.query('BEGIN; LOCK TABLE session')
  const began = Date.now()
  await t.rejects(store.listByUser('alice'), { code: 'ERR_DATABASE' })
  t.ok(Date.now() - began < 6500, `${Date.now() - began} ms`)
})

test('a change that keeps conflicting is given up in time', async (t) => {
  const db = await withTable(await database(t))
  const pool = poolOf(t, db.url)
  const { set, load } = sessions(t, { pool })
  await set('id', session())
  const loaded = await load('id')
  // Before each statement, a second after the last one, the row is changed by another client.
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>
  let others = 0
  Object.assign(pool, {
    async connect () {
      await sleep(1000)
      await db.query('UPDATE session SET sess = $1', [JSON.stringify({ cookie: {}, step: ++others })])
      return connect()
    }
  })

  const began = Date.now()
  await t.rejects(set('id', Object.assign(loaded, { changed: true })), { code: 'ERR_DATABASE' })
  t.ok(Date.now() - began < 6500, `${Date.now() - began} ms`)
  t.ok(others > 2, `${others}`)
})
