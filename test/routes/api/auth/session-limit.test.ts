import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { freePort } from '../../../../local/free-port.js'
import { browser, reachCallback, signIn, type Browser, type Page, type SignIn } from '../../../support/browser.js'
import { cuttingProxy } from '../../../support/cutting-proxy.js'
import { database } from '../../../support/database.js'
import { pass } from '../../../support/pass.js'
import { issuedBy, revoked } from '../../../support/refresh-tokens.js'
import { instance, poolOf, rows, server, sharedServer, type Setup } from '../../../support/server.js'
import { until } from '../../../support/until.js'

const reason = async (user: Browser, { url }: Pick<Setup, 'url'>) => {
  const { status, text } = await user.get(`${url}/api/auth/me`)
  return status === 200 ? 'live' : (JSON.parse(text) as { reason: string }).reason
}

const signedIn = async ({ database }: Pick<Setup, 'database'>) =>
  (await database.query(`SELECT FROM session
    WHERE sess -> 'user' IS NOT NULL
      AND expire > timezone('utc', now())`)).length

/** New browsers that sign in one after the other. */
async function devices (setup: Pick<Setup, 'url'>, count: number, options: SignIn = {}): Promise<Browser[]> {
  const signedIn: Browser[] = []
  for (let i = 0; i < count; i++) {
    const user = browser()
    await signIn(user, setup.url, options)
    signedIn.push(user)
  }
  return signedIn
}

const reasons = async (users: Browser[], setup: Setup) => Promise.all(users.map(async (user) => reason(user, setup)))

/** A further instance of the server. */
async function another (t: Test, setup: Setup, overrides: Record<string, string> = {}): Promise<number> {
  const port = await freePort()
  await instance(t, { ...setup.env, PORT: String(port), ...overrides })
  return port
}

test('A sign-in beyond SESSION_LIMIT ends the oldest session and revokes its refresh token', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: '2' })
  const issued = issuedBy(setup)

  const users = await devices(setup, 4)
  const [bob] = await devices(setup, 1, { person: 'bob' })

  t.same(await reasons(users, setup), ['replaced', 'replaced', 'live', 'live'])
  t.equal(await reason(bob ?? browser(), setup), 'live')
  await until(() => revoked(setup).length === 2)
  t.same(revoked(setup).toSorted(), issued.slice(0, 2).toSorted())
})

test('The oldest session is the one that signed in first, however much it is used', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: '2' })
  const users = await devices(setup, 2)
  await pass(setup.database, 300)
  await users[0]?.get(`${setup.url}/api/auth/me`)
  users.push(...await devices(setup, 1))
  t.same(await reasons(users, setup), ['replaced', 'live', 'live'])
})

test('A sign-in in the same browser counts once, and expired sessions do not', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: '2', SESSION_PRUNE_INTERVAL: '100000' })
  const users = await devices(setup, 2)
  await signIn(users[1] ?? browser(), setup.url, { query: { prompt: 'login' } })
  t.same(await reasons(users, setup), ['live', 'live'])
  t.equal(await signedIn(setup), 2)

  await pass(setup.database, 1000)
  users.push(...await devices(setup, 2))
  t.same(await reasons(users, setup), ['idle', 'idle', 'live', 'live'])
})

test('SESSION_LIMIT by role counts the sessions of each role by itself, and the rest together', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: 'ADMIN=1,*=2' })
  const as = async (role: string, count: number) => devices(setup, count, { person: 'carol', role })
  const users = [...await as('ADMIN', 1), ...await as('INVESTOR', 2)]
  t.same(await reasons(users, setup), ['live', 'live', 'live'])

  users.push(...await as('ADMIN', 1))
  t.same(await reasons(users, setup), ['replaced', 'live', 'live', 'live'])
  users.push(...await as('ISSUER', 1))
  t.same(await reasons(users, setup), ['replaced', 'replaced', 'live', 'live', 'live'])
})

test('A role without a limit of its own has none unless there is a *', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: 'ADMIN=1' })
  const users = await devices(setup, 3)
  t.same(await reasons(users, setup), ['live', 'live', 'live'])
})

const callback = async (
  user: Browser, { url }: Pick<Setup, 'url'>, accept: string, options: SignIn = {}
): Promise<Page> => {
  const { callbackUrl } = await reachCallback(user, url, options)
  return user.get(callbackUrl, { redirect: 'manual', headers: { accept } })
}

test('With SESSION_LIMIT_ACTION=refuse a sign-in beyond the limit is refused and changes nothing', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: '1', SESSION_LIMIT_ACTION: 'refuse' })
  const issued = issuedBy(setup)
  const users = await devices(setup, 1)
  const before = await rows(setup)
  const refused = browser()

  const json = await callback(refused, setup, 'application/json')
  const page = await callback(refused, setup, 'text/html')

  t.match(JSON.parse(json.text), { statusCode: 403, code: 'ERR_SESSION_LIMIT' })
  t.equal(page.status, 403)
  t.match(page.text, /signed in on too many devices/)
  t.same(json.headers.getSetCookie().filter((line) => line.startsWith('cashsouk.sid=')), [])
  t.same(await rows(setup), before)
  await until(() => revoked(setup).length === 2)
  t.same(revoked(setup), issued.slice(1), 'the new refresh tokens')

  await users[0]?.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
  t.equal((await callback(refused, setup, 'text/html')).status, 303, 'after a sign-out there is room')
})

test('A refused sign-in keeps the session that the browser has for another user', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: '1', SESSION_LIMIT_ACTION: 'refuse' })
  await devices(setup, 1, { person: 'bob' })
  const [user = browser()] = await devices(setup, 1)
  const cookie = user.cookie('cashsouk.sid')?.value

  const answer = await callback(user, setup, 'application/json', { person: 'bob', query: { prompt: 'login' } })

  t.equal(answer.status, 403)
  t.equal(user.cookie('cashsouk.sid')?.value, cookie)
  t.equal(await reason(user, setup), 'live')
})

test('With refuse, a sign-in in the browser that is signed in is not refused', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: '1', SESSION_LIMIT_ACTION: 'refuse' })
  const [user = browser()] = await devices(setup, 1)
  t.equal((await callback(user, setup, 'text/html', { query: { prompt: 'login' } })).status, 303)
  t.equal(await reason(user, setup), 'live')
})

for (const action of ['end-oldest', 'refuse']) {
  test(`50 parallel sign-ins of one user on two instances never exceed the limit (${action})`, async (t) => {
    const setup = await server(t, { SESSION_LIMIT: '3', SESSION_LIMIT_ACTION: action })
    const port = await another(t, setup)
    const callbacks = await Promise.all(Array.from({ length: 50 }, async () => {
      const user = browser()
      const { callbackUrl } = await reachCallback(user, setup.url)
      return { user, callbackUrl }
    }))
    let [isOver, most] = [false, 0]
    const watch = (async () => {
      while (!isOver) {
        most = Math.max(most, await signedIn(setup))
        await sleep(5)
      }
    })()

    const answers = await Promise.all(callbacks.map(async ({ user, callbackUrl }, index) =>
      user.get(callbackUrl, { redirect: 'manual', ...(index % 2 === 0 ? {} : { via: port }) })))
    isOver = true
    await watch

    const count = (status: number) => answers.filter((answer) => answer.status === status).length
    t.same([count(303), count(403)], action === 'refuse' ? [3, 47] : [50, 0])
    t.equal(await signedIn(setup), 3)
    t.ok(most > 0 && most <= 3, `at most ${most} at any time`)
    const ends = await reasons(callbacks.map(({ user }) => user), setup)
    t.equal(ends.filter((end) => end === 'live').length, 3)
    t.equal(ends.filter((end) => end === 'replaced').length, action === 'refuse' ? 0 : 47)
  })
}

for (const isolation of ['read committed', 'repeatable read']) {
  test(`Sign-ins on two instances that overlap in the database keep the limit (${isolation})`, async (t) => {
    const setup = await server(t, { SESSION_LIMIT: '1' })
    await setup.database.query(`DO $$ BEGIN
      EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L', current_database(), '${isolation}');
    END $$`)
    t.teardown(async () => setup.database.query(`DO $$ BEGIN
      EXECUTE format('ALTER DATABASE %I RESET default_transaction_isolation', current_database());
    END $$`))
    await setup.database.query(`
      CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.sess ->> 'user' IS NOT NULL THEN PERFORM pg_sleep(0.5); END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER slow BEFORE INSERT ON session FOR EACH ROW EXECUTE FUNCTION slow()`)
    const ports = [await another(t, setup), await another(t, setup)]
    const callbacks = await Promise.all(ports.map(async (via) => {
      const user = browser()
      return { via, user, ...await reachCallback(user, setup.url) }
    }))

    const answers = await Promise.all(callbacks.map(async ({ via, user, callbackUrl }) =>
      user.get(callbackUrl, { redirect: 'manual', via })))

    t.same(answers.map(({ status }) => status), [303, 303])
    t.equal(await signedIn(setup), 1)
    const ends = await reasons(callbacks.map(({ user }) => user), setup)
    t.same(ends.toSorted(), ['live', 'replaced'])
  })
}

test('Sign-ins and requests in parallel neither exceed the limit nor restore a session', async (t) => {
  const setup = await server(t, { SESSION_LIMIT: '2', SESSION_TOUCH_INTERVAL: '1' })
  const users = await devices(setup, 2)
  await pass(setup.database, 2)
  const callbacks = await Promise.all(Array.from({ length: 6 }, async () => {
    const user = browser()
    return { user, ...await reachCallback(user, setup.url) }
  }))
  const requests = Array.from({ length: 40 }, async (_, index) => users[index % 2]?.get(`${setup.url}/api/auth/me`))
  await Promise.all([
    ...callbacks.map(async ({ user, callbackUrl }) => user.get(callbackUrl, { redirect: 'manual' })), ...requests
  ])
  t.equal(await signedIn(setup), 2)
  t.same(await reasons(users, setup), ['replaced', 'replaced'])
})

test('A sign-in whose oldest session gets another stored id meanwhile keeps the limit', async (t) => {
  const setup = await server(t, { SESSION_LIMIT: '1' })
  const [first = browser()] = await devices(setup, 1)
  const port = await another(t, setup, {
    SESSION_SECRET: `another secret of a test and of nothing else,${setup.env.SESSION_SECRET}`
  })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  const { Client } = (await import('pg')).default
  const client = new Client(setup.database.directUrl)
  await client.connect()
  t.teardown(async () => client.end())
  await client.query('BEGIN; UPDATE session SET sid = sid || \'x\' WHERE sess -> \'user\' IS NOT NULL')
  const answer = user.get(callbackUrl, { redirect: 'manual', via: port })
  await until(async () => (await setup.database.query(
    'SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = \'Lock\'')).length === 1)
  await client.query('COMMIT')

  t.equal((await answer).status, 303)
  t.equal(await signedIn(setup), 1)
  t.not(await reason(first, setup), 'live')
})

for (const TABLE of ['partitioned', 'of another store']) {
  test(`SESSION_LIMIT holds in a table that is ${TABLE}`, async (t) => {
    const db = await database(t)
    await db.query(`CREATE TABLE session (
      sid varchar NOT NULL PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL
    ) ${TABLE === 'partitioned' ? 'PARTITION BY HASH (sid)' : ''}`)
    if (TABLE === 'partitioned') {
      for (let i = 0; i < 4; i++) {
        await db.query(`CREATE TABLE session_${i} PARTITION OF session FOR VALUES WITH (MODULUS 4, REMAINDER ${i})`)
      }
    }
    const setup = {
      ...await server(t, { DATABASE_URL: db.url, SESSION_LIMIT: '2', SESSION_HASH_IDS: 'false' }), database: db
    }
    const users = await devices(setup, 3)
    t.same(await reasons(users, setup), ['replaced', 'live', 'live'])
  })
}

test('A session of another store without a time of creation counts, and is the oldest', async (t) => {
  const setup = await sharedServer({ SESSION_LIMIT: '2' })
  const users = await devices(setup, 1)
  await setup.database.query(`INSERT INTO session
    SELECT 'written-by-another-store', json_build_object('cookie', json_build_object(), 'user', sess -> 'user'),
      expire + interval '1 hour'
    FROM session`)
  users.push(...await devices(setup, 1))
  t.same(await reasons(users, setup), ['live', 'live'])
  t.equal(await signedIn(setup), 2)
})

/** The statement of a sign-in within a limit. */
const REPLACE = /WITH surplus/

for (const statement of [/pg_advisory_xact_lock\(1970/, REPLACE, /^.?.?.?.?.?COMMIT/]) {
  for (const moment of ['before', 'after'] as const) {
    test(`A sign-in within a limit that is cut ${moment} ${statement.source} leaves nothing half done`, async (t) => {
      const db = await database(t)
      const proxy = await cuttingProxy(t, db.url)
      const setup = { ...await server(t, { DATABASE_URL: proxy.url, SESSION_LIMIT: '1' }), database: db }
      const [first = browser()] = await devices(setup, 1)
      const user = browser()
      const { callbackUrl } = await reachCallback(user, setup.url)
      const cut = proxy.cut(statement, moment)

      const answer = await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })
      await cut

      t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
      const isCommitted = moment === 'after' && statement.source.includes('COMMIT')
      await until(async () => await signedIn(setup) === (isCommitted ? 0 : 1))
      t.equal(await reason(first, setup), isCommitted ? 'replaced' : 'live')
      t.equal((await signIn(user, setup.url)).answer.status, 303)
      t.equal(await signedIn(setup), 1)
    })
  }
}

test('Without SESSION_LIMIT a sign-in takes no transaction and no lock', async (t) => {
  const statements = async (overrides: Record<string, string>) => {
    const setup = await server(t, overrides)
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)
    const texts: string[] = []
    poolOf(setup.fastify).on('acquire', (client) => {
      if (Object.hasOwn(client, 'query')) return
      const query = client.query.bind(client) as (...args: unknown[]) => unknown
      Object.assign(client, {
        query: (...args: unknown[]) => {
          const [config] = args as [string | { text: string }]
          texts.push((typeof config === 'string' ? config : config.text).trim().split(/\s/)[0] ?? '')
          return query(...args)
        }
      })
    })
    t.equal((await user.get(callbackUrl, { redirect: 'manual' })).status, 303)
    return texts
  }

  t.same(await statements({}), ['DELETE', 'INSERT'])
  t.same(await statements({ SESSION_LIMIT: 'ADMIN=1' }), ['DELETE', 'INSERT'])
  t.same(await statements({ SESSION_LIMIT: '1' }), ['DELETE', 'BEGIN', 'WITH', 'COMMIT'])
})
