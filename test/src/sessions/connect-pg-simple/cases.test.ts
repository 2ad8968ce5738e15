/**
 * The 41 cases of connect-pg-simple's own suite, for this store. Each also runs against
 * connect-pg-simple itself, which shows that the case is right.
 *
 * These differ from the originals and prove the same on a real database:
 *
 * - Pruning (five): the originals move Node's clock. Here the database's clock decides, so expired
 *   rows are inserted. This store prunes at most one interval after its start and has no
 *   `pruneSessionRandomizedInterval`, so two cases test that bound.
 * - `quotedTable` (eight): the originals compare a string. Here a session is also written.
 * - Configuration (two): the originals inspect a mocked pool. Here the database is reached.
 * - `query` (six) and pg-promise's results (three): the originals call a private method with a
 *   mocked driver. Here the public methods are called, with and without a database.
 * - Table creation (five): the originals count private calls. Here the table is looked up and the
 *   statements are counted.
 * - An expired token and the touches: the originals move Node's clock. Here the rows are aged.
 * - pg-promise is replaced by an object with its method `any`, the only one in use.
 *
 * @module
 */
import original from 'connect-pg-simple'
import express from 'express'
import session from 'express-session'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { t as file, test as tapTest, type Test } from 'tap'
import { agent, idIn, serve } from '../../../support/agent.js'
import { database } from '../../../support/database.js'
import { testTable } from '../../../support/tables.js'
import { NOW, pass, poolOf, schema, type Db } from '../harness.js'
import { connectPgSimple, type Options, type PgPromise, type Store } from './shim.js'

file.jobs = 4 // the pruning cases wait

const TABLE = readFileSync(createRequire(import.meta.url).resolve('connect-pg-simple/table.sql'), 'utf8')
/** In milliseconds. */
const MAX_AGE = 30 * 24 * 3600 * 1000
const SECRET = 'the secret of a test'
const UNREACHABLE = 'postgres://user:password@127.0.0.1:1/database'

const stores = {
  'PgSessionStore': connectPgSimple,
  'connect-pg-simple': original as unknown as typeof connectPgSimple
}

for (const [name, factory] of Object.entries(stores)) {
  const isOurs = factory === connectPgSimple
  const make = (
    options: Options & { pruneSessionRandomizedInterval?: false | ((delay: number) => number) } = {}
  ): Store => new (factory(session))({ errorLog: () => {}, ...options })
  const test = (what: string, work: (t: Test) => Promise<void>) => {
    void tapTest(`${name}: ${what}`, work)
  }

  /** A store that is closed with the test and prunes only on request. */
  function storeOf (t: Test, options: Options = {}) {
    const store = make({ pruneSessionInterval: false, ...options })
    t.teardown(() => store.close())
    return Object.assign(store, {
      got: promisify(store.get.bind(store)),
      put: promisify(store.set.bind(store)),
      ended: promisify(store.destroy.bind(store))
    })
  }

  const content = (more: object = {}) => ({
    cookie: { originalMaxAge: MAX_AGE, expires: new Date(Date.now() + MAX_AGE) }, ...more
  })

  /** A database with connect-pg-simple's table, or that of `TEST_TABLE`. */
  async function withTable (t: Test): Promise<Db> {
    const db = await schema(t)
    if (testTable === 'plain') await db.query(TABLE)
    return db
  }

  const count = async (db: Pick<Db, 'query'>): Promise<number> =>
    Number((await db.query('SELECT count(*) AS n FROM session'))[0]?.['n'])

  // pruneSessions

  /** A store and an expired row. `pruned` waits up to 10 s and returns whether no row is left. */
  async function pruning (t: Test, options: Parameters<typeof make>[0]) {
    const db = await withTable(t)
    const expired = (sid: string) => db.query(
      `INSERT INTO session VALUES ($1, '{"cookie":{}}', ${NOW} - interval '2 days')`,
      [sid]
    )
    await expired('one')
    const store = make({ conString: db.url, ...options })
    let closing: Promise<void> | undefined
    const close = async () => { await (closing ??= store.close()) }
    t.teardown(close)
    await promisify(store.get.bind(store))('unknown') // starts connect-pg-simple's timer
    const pruned = async () => {
      for (let tries = 0; tries < 200; tries++, await sleep(50)) {
        if (await count(db) === 0) return true
      }
      return false
    }
    return { store, close, pruned, left: () => count(db), expired }
  }

  test('pruneSessions: runs on a randomized interval until closed', async (t) => {
    const { close, pruned, left, expired } = await pruning(t, { pruneSessionInterval: 0.4 })
    t.ok(await pruned())
    await close()
    await expired('late')
    await sleep(1000)
    t.equal(await left(), 1)
  })

  test('pruneSessions: waits for a delay set by the application', async (t) => {
    const options = isOurs
      ? { pruneSessionInterval: 0.3 }
      : { pruneSessionInterval: 3600, pruneSessionRandomizedInterval: (delay: number) => delay / 12_000 }
    t.ok(await (await pruning(t, options)).pruned())
  })

  test('pruneSessions: runs within the interval without randomization', async (t) => {
    const options = { pruneSessionInterval: 0.5, pruneSessionRandomizedInterval: false } as const
    t.ok(await (await pruning(t, options)).pruned())
  })

  test('pruneSessions: runs repeatedly at the set interval', async (t) => {
    const { pruned, expired } = await pruning(t, {
      pruneSessionInterval: 0.3, pruneSessionRandomizedInterval: false
    })
    t.ok(await pruned())
    await expired('another')
    t.ok(await pruned())
  })

  test('pruneSessions: does not run when the interval is switched off', async (t) => {
    const { store, left } = await pruning(t, { pruneSessionInterval: false })
    await sleep(1000)
    t.equal(await left(), 1)
    await promisify(store.pruneSessions.bind(store))()
    t.equal(await left(), 0)
  })

  // quotedTable

  const tables: Record<string, [options: Options, quoted: string]> = {
    'includes no schema by default': [{}, '"session"'],
    'accepts a table name': [{ tableName: 'foobar' }, '"foobar"'],
    'accepts a schema': [{ schemaName: 'barfoo' }, '"barfoo"."session"'],
    'accepts a schema and a table name': [{ schemaName: 'barfoo', tableName: 'foobar' }, '"barfoo"."foobar"'],
    'accepts the old form of a schema in the table name': [{ tableName: 'barfoo"."foobar' }, '"barfoo"."foobar"'],
    'does not split a name at a dot': [{ tableName: 'barfoo.foobar' }, '"barfoo.foobar"'],
    'escapes the table': [{ tableName: 'foo"ba"r' }, '"foo""ba""r"'],
    'escapes the schema': [{ schemaName: 'b""ar"foo' }, '"b""""ar""foo"."session"']
  }
  for (const [what, [options, quoted]] of Object.entries(tables)) {
    test(`quotedTable: ${what}`, async (t) => {
      const db = await database(t)
      const [, schemaName] = /^(".*")\./.exec(quoted) ?? []
      if (schemaName !== undefined) await db.query(`CREATE SCHEMA ${schemaName}`)
      await db.query(`
        CREATE TABLE ${quoted} (
          sid varchar PRIMARY KEY,
          sess json NOT NULL,
          expire timestamp(6) NOT NULL
        )`)
      const warn = console.warn
      console.warn = () => {} // connect-pg-simple warns of the old form
      const store = storeOf(t, { conString: db.url, ...options })
      console.warn = warn
      t.equal(store.quotedTable(), quoted)
      await store.put('id', content())
      t.same(await db.query(`SELECT sid FROM ${quoted}`), [{ sid: 'id' }])
    })
  }

  // configSetup

  const configurations: Record<string, (url: string) => Options> = {
    conString: (conString) => ({ conString }),
    conObject (url) {
      const { username: user, password, hostname: host, port, pathname } = new URL(url)
      return { conObject: { user, password, host, port: Number(port), database: pathname.slice(1) } }
    }
  }
  for (const [what, options] of Object.entries(configurations)) {
    test(`configSetup: accepts a ${what}`, async (t) => {
      const db = await database(t)
      await db.query(TABLE)
      await storeOf(t, options(db.url)).put('id', content())
      t.equal(await count(db), 1)
    })
  }

  // queries

  test('queries: the callback receives the value', async (t) => {
    const store = storeOf(t, { conString: (await withTable(t)).url })
    await store.put('id', content({ user: 'alice' }))
    t.match(await store.got('id'), { user: 'alice' })
  })

  test('queries: the callback receives the error and no value', async (t) => {
    const store = storeOf(t, { conString: UNREACHABLE })
    const [error, value] = await new Promise<unknown[]>((resolve) => {
      store.get('id', (...args) => { resolve(args) })
    })
    t.ok(error instanceof Error)
    t.equal(value, undefined)
  })

  test('queries: an optional argument can be left out', async (t) => {
    const db = await withTable(t)
    const store = storeOf(t, { conString: db.url })
    store.set('id', content())
    for (let tries = 0; tries < 100 && await count(db) === 0; tries++) await sleep(20)
    t.equal(await count(db), 1)
  })

  test('queries: invalid arguments throw immediately', async (t) => {
    const query = (store: Store) => {
      const { query: inner } = store as unknown as { query: (...args: unknown[]) => void }
      inner.call(store, '', () => {}, () => {})
    }
    if (isOurs) t.throws(() => make({ conString: 'not a connection string' }), TypeError)
    else t.throws(() => { query(storeOf(t, { conString: UNREACHABLE })) })
  })

  test('queries: destroy succeeds', async (t) => {
    const db = await withTable(t)
    const store = storeOf(t, { conString: db.url })
    await store.put('foo', content())
    t.equal(await new Promise((resolve) => { store.destroy('foo', resolve) }), null)
    t.equal(await count(db), 0)
  })

  test('queries: destroy passes on its error', async (t) => {
    const store = storeOf(t, { conString: UNREACHABLE })
    t.ok(await new Promise((resolve) => { store.destroy('foo', resolve) }) instanceof Error)
  })

  // pgPromise

  /** The used part of pg-promise on a real pool, and the statements that it received. */
  function pgPromise (t: Test, url: string) {
    const pool = poolOf(t, url)
    const asked: { sql: string, values: unknown[] | undefined }[] = []
    const any: PgPromise['any'] = async (sql, values) => {
      asked.push({ sql, values })
      return (await pool.query<pg.QueryResultRow>(sql, values)).rows
    }
    return { any, asked }
  }

  test('pgPromise: is accepted instead of a pool', async (t) => {
    t.doesNotThrow(() => storeOf(t, { pgPromise: { any: async () => [] } }))
  })

  test('pgPromise: an invalid object is refused', async (t) => {
    t.throws(() => storeOf(t, { pgPromise: {} as PgPromise }), TypeError)
  })

  test('pgPromise: receives statement and parameters', async (t) => {
    const promise = pgPromise(t, (await withTable(t)).url)
    await storeOf(t, { pgPromise: promise }).got('an id')
    const asked = promise.asked.at(-1) // after a look at the table
    t.match(asked, { sql: /SELECT/ })
    t.match(JSON.stringify(asked?.values), /an id/)
  })

  test('pgPromise: the callback receives the value', async (t) => {
    const store = storeOf(t, { pgPromise: pgPromise(t, (await withTable(t)).url) })
    await store.put('id', content({ user: 'alice' }))
    t.match(await store.got('id'), { user: 'alice' })
  })

  test('pgPromise: the callback receives the error and no value', async (t) => {
    const store = storeOf(t, { pgPromise: { any: async () => { throw new Error('Fail') } } })
    const [error, value] = await new Promise<unknown[]>((resolve) => {
      store.get('id', (...args) => { resolve(args) })
    })
    t.ok(error instanceof Error)
    t.equal(value, undefined)
  })

  // Express, with and without pg-promise

  function app (t: Test, options: Options, more: session.SessionOptions | object = {}) {
    const store = storeOf(t, options)
    const handler = express()
    handler.use(session({
      store: store as unknown as session.Store,
      secret: SECRET,
      resave: false,
      rolling: true,
      saveUninitialized: true,
      cookie: { maxAge: MAX_AGE },
      ...more
    }))
    handler.get('/', (_request, response) => { response.send('hello') })
    return { store, url: serve(t, handler) }
  }

  const ways: Record<string, (t: Test, url: string) => Options> = {
    'Express': (_t, conString) => ({ conString }),
    'Express with pgPromise': (t, url) => ({ pgPromise: pgPromise(t, url) })
  }
  for (const [way, connection] of Object.entries(ways)) {
    test(`${way}: creates a session`, async (t) => {
      const db = await withTable(t)
      const get = agent(await app(t, connection(t, db.url)).url)
      t.equal(await count(db), 0)
      t.equal((await get('/')).status, 200)
      t.equal(await count(db), 1)
    })

    test(`${way}: reuses the session of the cookie`, async (t) => {
      const db = await withTable(t)
      const get = agent(await app(t, connection(t, db.url)).url)
      for (let i = 0; i < 2; i++) {
        t.equal((await get('/')).status, 200)
        t.equal(await count(db), 1)
      }
    })

    test(`${way}: ends an expired session, but not an active one`, async (t) => {
      const db = await withTable(t)
      const { store, url } = app(t, connection(t, db.url))
      const [get, other] = [agent(await url), agent(await url)]
      await Promise.all([get('/'), other('/')])
      const prune = promisify(store.pruneSessions.bind(store))
      await pass(db, MAX_AGE / 1000 * 0.6)
      await prune()
      t.equal(await count(db), 2)
      await get('/')
      await pass(db, MAX_AGE / 1000 * 0.6)
      await prune()
      t.equal(await count(db), 1)
    })
  }

  test('Express: the cookie holds the id of the row, signed', async (t) => {
    const db = await withTable(t)
    const get = agent(await app(t, { conString: db.url }).url)
    await get('/')
    const cookie = get.cookies.get('connect.sid') ?? ''
    t.match(decodeURIComponent(cookie), /^s:[^.]+\.[\w+/]{43}$/)
    t.same(await db.query('SELECT sid FROM session'), [{ sid: idIn(cookie) }])
  })

  test('Express: a request without the cookie gets a new session', async (t) => {
    const db = await withTable(t)
    const { url } = app(t, { conString: db.url })
    for (let i = 1; i <= 2; i++) {
      await agent(await url)('/')
      t.equal(await count(db), i)
    }
  })

  for (const disableTouch of [false, true]) {
    const what = disableTouch ? 'does not move the expiry with disableTouch' : 'moves the expiry when rolling'
    test(`Express: a request ${what}`, async (t) => {
      const db = await withTable(t)
      const get = agent(await app(t, { conString: db.url, disableTouch }).url)
      await get('/')
      const expiry = async () =>
        Number((await db.query('SELECT extract(epoch FROM expire) AS at FROM session'))[0]?.['at'])
      await db.query('UPDATE session SET expire = expire - interval \'10 seconds\'')
      const before = await expiry()
      t.equal((await get('/')).status, 200)
      const moved = await expiry() - before
      t.ok(disableTouch ? moved === 0 : Math.abs(moved - 10) < 5, `${moved} s`)
    })
  }

  // Table creation

  const isThere = async (db: Pick<Db, 'query'>) =>
    (await db.query('SELECT to_regclass(\'session\') AS found'))[0]?.['found'] !== null

  test('table creation: creates the table when configured', async (t) => {
    const db = await schema(t, { table: false })
    t.equal(await isThere(db), false)
    const store = storeOf(t, { conString: db.url, createTableIfMissing: true })
    await (isOurs ? store.createTable() : store.ended('unknown'))
    t.equal(await isThere(db), true)
  })

  test('table creation: does not change an existing table', async (t) => {
    const db = await withTable(t)
    await db.query('ALTER TABLE session ADD COLUMN theirs text')
    const store = storeOf(t, { conString: db.url, createTableIfMissing: true })
    await (isOurs ? store.createTable() : Promise.resolve())
    await store.put('id', content())
    t.match(await db.query('SELECT * FROM session'), [{ sid: 'id', theirs: null }])
  })

  test('table creation: creates no table unless configured', async (t) => {
    const db = await schema(t, { table: false })
    await t.rejects(storeOf(t, { conString: db.url }).put('id', content()))
    t.equal(await isThere(db), false)
  })

  test('table creation: the first query creates the table', async (t) => {
    const db = await schema(t, { table: false })
    const store = storeOf(t, { conString: db.url, createTableIfMissing: true })
    t.notOk(await store.got('unknown'))
    t.equal(await isThere(db), true)
  })

  test('table creation: concurrent queries create the table once', async (t) => {
    const db = await schema(t, { table: false })
    const pool = poolOf(t, db.url)
    let creations = 0
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown
      client.query = ((...args: unknown[]) => {
        if (/CREATE TABLE/.test(JSON.stringify(args[0]))) creations++
        return query(...args)
      }) as never
    })
    const store = storeOf(t, { pool, createTableIfMissing: true })
    await Promise.all(['one', 'two', 'three'].map((id) => store.got(id)))
    t.equal(creations, 1)
    t.equal(await isThere(db), true)
  })
}
