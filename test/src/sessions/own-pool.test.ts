import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { cuttingProxy } from '../../support/cutting-proxy.js'
import { database } from '../../support/database.js'
import { manyIterations } from '../../support/many-iterations.js'
import { throughUnixSocket } from '../../support/unix-socket.js'
import { until } from '../../support/until.js'
import { promised, session, sessions } from './harness.js'

/** The process has these variables for its database until the end of the test, and no others. */
function environment (t: Test, variables: Record<string, string>): void {
  const before = process.env
  const others = Object.entries(before).filter(([name]) => !/^(PG|DATABASE_URL)/.test(name))
  process.env = { ...Object.fromEntries(others), ...variables }
  t.teardown(() => { process.env = before })
}

const libpq = (url: string): Record<string, string> => {
  const { hostname, port, username, password, pathname } = new URL(url)
  return { PGHOST: hostname, PGPORT: port, PGUSER: username, PGPASSWORD: password, PGDATABASE: pathname.slice(1) }
}

const unreachable = 'postgres://app:hidden@127.0.0.1:1/db'

for (const [what, make] of Object.entries({
  'no options': () => new PgSessionStore(),
  'no connection option': () => new PgSessionStore({ ttl: 60 }),
  'an empty conObject': () => new PgSessionStore({ conObject: {} })
})) {
  test(`with ${what}, the environment's PGHOST and so on name the database`, async (t) => {
    const db = await database(t)
    environment(t, libpq(db.url))
    const store = make()
    t.teardown(() => store.close())
    await promised(store).set('id', session({ user: 'alice' }))
    t.match(await db.query('SELECT sid FROM session'), [{ sid: 'id' }])
  })
}

test('with no connection option, DATABASE_URL comes before PGHOST and so on', async (t) => {
  const db = await database(t)
  environment(t, { ...libpq(unreachable), DATABASE_URL: db.url })
  const store = new PgSessionStore()
  t.teardown(() => store.close())
  t.equal(await promised(store).length(), 0)
})

test('DATABASE_URL does not replace a connection option', async (t) => {
  const db = await database(t)
  environment(t, { DATABASE_URL: unreachable })
  t.equal(await sessions(t, { conString: db.url }).length(), 0)
  t.equal(await sessions(t, { conObject: { connectionString: db.url } }).length(), 0)
})

test('a connection string that cannot be used is refused by its name, and not quoted', (t) => {
  const text = 'postgres://app:1@hidden/kitten@127.0.0.1:1/x'
  environment(t, { DATABASE_URL: text })
  for (const [name, options] of Object.entries<object>({
    'conString': { conString: text },
    'conObject.connectionString': { conObject: { connectionString: text } },
    'DATABASE_URL': {}
  })) {
    const error = t.throws(() => new PgSessionStore(options), { name: 'TypeError' }) as Error
    t.ok(error.message.startsWith(`PgSessionStore: ${name} is ambiguous`), error.message)
    t.notMatch(inspect(error), /hidden|kitten/)
  }
  t.end()
})

test('the store reaches PostgreSQL through a Unix socket, as Cloud SQL has it', async (t) => {
  const { url } = await database(t)
  const { set, load } = sessions(t, { conString: await throughUnixSocket(t, url) })
  await set('id', session({ user: 'alice' }))
  t.match(await load('id'), { user: 'alice' })
})

test('a password with more than 100,000 iterations takes the parameter or option scramMaxIterations', async (t) => {
  const db = await database(t)
  const url = await manyIterations(t, db)
  if (url === undefined) {
    t.comment('this PostgreSQL has no scram_iterations')
    return
  }
  await t.rejects(sessions(t, { conString: url }).length(), {
    code: 'ERR_DATABASE', cause: { message: /connection string's parameter scramMaxIterations to 200000$/ }
  })
  const raised = `${url}?scramMaxIterations=200000`
  t.equal(await sessions(t, { conString: raised }).length(), 0)
  t.equal(await sessions(t, { conObject: { connectionString: raised } }).length(), 0)
  t.equal(await sessions(t, { conObject: { connectionString: url, scramMaxIterations: 200_000 } }).length(), 0)
})

test('a connection string without the password that the database asks for is told as that', async (t) => {
  const { directUrl } = await database(t)
  const conString = Object.assign(new URL(directUrl), { password: '' }).href
  await t.rejects(sessions(t, { conString }).length(), {
    code: 'ERR_DATABASE', cause: { message: 'the database asks for a password, and none is set' }
  })
})

test('a connection that the driver refuses is closed', async (t) => {
  const url = await manyIterations(t, await database(t))
  if (url === undefined) {
    t.comment('this PostgreSQL has no scram_iterations')
    return
  }
  const proxy = await cuttingProxy(t, url)
  const { length } = sessions(t, { conString: proxy.url })
  for (let i = 0; i < 3; i++) await t.rejects(length(), { code: 'ERR_DATABASE' })
  await until(async () => proxy.open() === 0)
})

test('no error has a part of the connection string', async (t) => {
  const db = await database(t)
  const url = (part: object) => Object.assign(new URL(db.directUrl), part).href
  for (const [what, conString] of Object.entries({
    'an unknown host': 'postgres://hidden:hidden@hidden.invalid:1234/hidden',
    'a refused connection': 'postgres://hidden:hidden@127.0.0.1:1/hidden',
    'a missing Unix socket': 'postgres://hidden:hidden@/hidden?host=/hidden',
    'an unknown user': url({ username: 'hidden', password: 'hidden' }),
    'an unknown database': url({ pathname: '/hidden' }),
    'a missing file': `${db.directUrl}?sslrootcert=/hidden`
  })) {
    const { store, length } = sessions(t, { conString })
    const error: unknown = await length().catch((error: unknown) => error)
    t.match(error, { code: 'ERR_DATABASE', cause: { message: /[A-Z0-9]{5}/ } }, what)
    t.notMatch(inspect(error, { depth: 9, showHidden: true }), /hidden|127\.0\.0\.1/, what)
    await store.close()
  }
})

test('a background error has no part of the connection string', async (t) => {
  const db = await database(t)
  const { length, logged } = sessions(t, { conString: db.directUrl })
  await length()
  await db.query(`
    SELECT pg_terminate_backend(pid, 5000)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
  await until(() => logged.length > 0)
  await length()
  t.match(logged, [{
    message: 'An idle database connection was lost', error: { code: 'ERR_DATABASE', cause: { message: /^57P01: / } }
  }])
  const { hostname, port, password } = new URL(db.directUrl)
  const text = inspect(logged, { depth: 9, showHidden: true })
  for (const part of [hostname, `:${port}`, password]) t.notOk(text.includes(part))
})
