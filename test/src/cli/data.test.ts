import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { newTransaction } from '../../../src/login/transaction.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { cli } from '../../support/cli.js'
import { database, type Database } from '../../support/database.js'

const SUB = '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f'
const OTHER = '9a8b7c6d-0000-4000-8000-000000000000'
const EMAIL = 'Ann.Example@example.com'

/** The audit trail as far as commands rely on its columns. */
const EVENTS = `CREATE TABLE auth_event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamp(6) NOT NULL,
  event text NOT NULL,
  sub text,
  session text,
  detail json
)`

interface Person {
  db: Database
  store: PgSessionStore
  run: (args: string) => ReturnType<typeof cli>
}

/** A person in every kind of row, and another person. */
async function person (t: Test): Promise<Person> {
  const db = await database(t)
  const store = new PgSessionStore({
    conString: db.url, pruneSessionInterval: false, hashIds: 'the key of a test, and of nothing else'
  })
  t.teardown(() => store.close())
  await store.createTable()
  const set = promisify(store.set.bind(store))
  const user = { sub: SUB, email: EMAIL, name: 'Ann \ud800 \0' }
  const session = (more: object) => ({ cookie: {}, role: 'INVESTOR', ...more })
  const asked = { requestedRole: 'INVESTOR', returnTo: '/' }
  const login = (more: object) => ({ cookie: {}, ...newTransaction({ ...asked, ...more }) })
  await set('hers', session({
    user,
    refreshToken: 'sealed-token',
    completedLogins: [{ state: 'hash-of-state', returnTo: '/offers' }],
    notes: { iban: 'X' }
  }))
  await set('ended', session({ user }))
  const [ended] = await store.listByUser(SUB)
  await store.consume('ended', { reason: 'signed_out' })
  await set('step-up', { cookie: {}, ...newTransaction(asked, { stepUpOf: SUB }) })
  await set('hint', login({ hints: { login_hint: EMAIL.toLowerCase() } }))
  await set('return', login({ returnTo: `/invite?to%3D${encodeURIComponent(EMAIL)}&x=1` }))
  await set('admin', session({ user: { sub: OTHER, email: 'admin@example.com' }, looksAt: SUB }))
  await set('namesake', session({ user: { sub: OTHER, email: `jo${EMAIL}` } }))
  await set('abroad', session({ user: { sub: OTHER, email: `${EMAIL}.au` } }))
  await set('login', login({}))
  await db.query(EVENTS)
  await db.query(`INSERT INTO auth_event (at, event, sub, session, detail) VALUES
    ('2026-01-02 03:04:05', 'sign-in', $1, $3, NULL),
    ('2026-01-02 03:05:05', 'refusal', NULL, NULL, json_build_object('email', $4::text)),
    ('2026-01-02 03:06:05', 'sign-in', $2, NULL, '{}')`, [SUB, OTHER, ended?.id, EMAIL])
  const run = (args: string) => cli(args.split(' '), { env: { DATABASE_URL: db.url } })
  return { db, store, run }
}

test('data export has everything that is kept of a person, without secrets', async (t) => {
  const { run } = await person(t)

  const { code, stdout, json } = await run(`data export --user ${SUB}`)

  t.equal(code, 0)
  t.match(json(), {
    sub: SUB,
    exportedAt: /Z$/,
    sessions: [{
      live: true,
      createdAt: null,
      session: {
        user: { sub: SUB, email: EMAIL },
        role: 'INVESTOR',
        completedLogins: [{ returnTo: '/offers' }],
        notes: { iban: 'X' }
      }
    }],
    startedLogins: [{ login: { requestedRole: 'INVESTOR', returnTo: '/', stepUpOf: SUB } }],
    events: [{ at: '2026-01-02T03:04:05.000Z', event: 'sign-in', sub: SUB }]
  })
  t.equal(json<{ sessions: unknown[] }>().sessions.length, 1)
  for (const secret of ['sealed-token', 'hash-of-state', 'codeVerifier', 'nonce', 'cookie', '~store']) {
    t.notMatch(stdout, secret)
  }
})

test('data erase leaves no row in any table that names the person', async (t) => {
  const { db, run, store } = await person(t)
  t.ok(await naming(db) > 5)

  t.match(await run(`data erase --user ${SUB}`), { code: 1, stderr: /^error: Remove every row .*--yes\n$/ })
  const { json } = await run(`data erase --user ${SUB} --yes --json`)

  t.same(json(), { sub: SUB, sessions: 6, events: 2 })
  t.equal(await naming(db), 0)
  t.equal(await store.endReason('ended'), null)
  t.same((await db.query('SELECT sub FROM auth_event')).map(({ sub }) => sub as string), [OTHER])
  // The namesakes and a login of a stranger stay.
  const left = (await store.listByUser(OTHER)).map(({ session }) => (session as { user: { email: string } }).user.email)
  t.same(left.toSorted(), [`${EMAIL}.au`, `jo${EMAIL}`])
  t.equal((await db.query('SELECT FROM session')).length, 3)
  t.same((await run(`data erase --user ${SUB} --yes --json`)).json(), { sub: SUB, sessions: 0, events: 0 })
})

/** How many rows of all tables name the person, other than the namesakes. */
async function naming (db: Database): Promise<number> {
  const tables = await db.query('SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = \'r\' AND ' +
    'relnamespace = \'public\'::regnamespace')
  let found = 0
  for (const { name } of tables) {
    const rows = await db.query(`SELECT r::text AS text FROM ${name as string} AS r`)
    found += rows.filter(({ text }) => {
      const lower = (text as string).toLowerCase()
        .replaceAll(`jo${EMAIL.toLowerCase()}`, '')
        .replaceAll(`${EMAIL.toLowerCase()}.au`, '')
      return [SUB, EMAIL.toLowerCase(), encodeURIComponent(EMAIL).toLowerCase()].some((word) => lower.includes(word))
    }).length
  }
  return found
}

test('data erase reads the whole table, however many rows there are of others', async (t) => {
  const { db, run } = await person(t)
  await db.query(`INSERT INTO session
    SELECT 'a' || n, '{"user":{"sub":"other"}}', timezone('utc', now()) + interval '1 hour'
    FROM generate_series(1, 6000) AS n`)

  t.same((await run(`data erase --user ${SUB} --yes --json`)).json(), { sub: SUB, sessions: 6, events: 2 })
  t.equal(await naming(db), 0)
})

test('A sub that is a short word is looked for only where the server keeps one', async (t) => {
  const { store, run } = await person(t)
  const set = promisify(store.set.bind(store))
  await set('short', { cookie: {}, user: { sub: 'ann' } })
  await set('note', { cookie: {}, user: { sub: OTHER }, note: 'ask ann' })
  t.equal((await store.listByUser(OTHER)).length, 4)

  t.same((await run('data erase --user ann --yes --json')).json(), { sub: 'ann', sessions: 1, events: 0 })
  t.equal((await store.listByUser(OTHER)).length, 4)
})

test('events prints the table as it is, the latest first', async (t) => {
  const { run } = await person(t)

  const all = (await run('events --json')).json<Record<string, unknown>[]>()
  t.same(all.map(({ at, event }) => [at, event]), [
    ['2026-01-02T03:06:05.000Z', 'sign-in'],
    ['2026-01-02T03:05:05.000Z', 'refusal'],
    ['2026-01-02T03:04:05.000Z', 'sign-in']
  ])
  t.same((await run(`events --user ${OTHER} --json`)).json<Record<string, unknown>[]>().map(({ sub }) => sub), [OTHER])
  t.equal((await run('events --limit 1 --json')).json<unknown[]>().length, 1)
  t.match((await run('events')).stdout, /^ID +AT +EVENT +SUB +SESSION +DETAIL\n3 +2026-01-02T03:06:05Z +sign-in +9a8b/)
})

test('Without the table, events says that AUDIT is off, and data has no events', async (t) => {
  const { db, run } = await person(t)
  await db.query('DROP TABLE auth_event')

  t.match(await run('events'), {
    code: 1, stderr: 'error: there is no audit trail: the table auth_event does not exist, because AUDIT is off\n'
  })
  t.match((await run(`data export --user ${SUB}`)).json(), { events: null })
  t.match((await run(`data erase --user ${SUB} --yes --json`)).json(), { events: null })
})
