import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { newTransaction } from '../../../src/login/transaction.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { publicId } from '../../../src/sessions/user-session.js'
import { cli, type CliOptions } from '../../support/cli.js'
import { database, type Database } from '../../support/database.js'

const ALICE = '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f'
const BOB = '9a8b7c6d-0000-4000-8000-000000000000'

interface Rows {
  db: Database
  store: PgSessionStore
  save: (id: string, session: object) => Promise<void>
  run: (args: string, options?: CliOptions) => ReturnType<typeof cli>
}

/** Two sessions of Alice, one of Bob with a note that PostgreSQL cannot read, a login and an expired session. */
async function tableInUse (t: Test): Promise<Rows> {
  const db = await database(t)
  const store = new PgSessionStore({
    conString: db.url, ttl: 900, absoluteTtl: 43_200, pruneSessionInterval: false,
    hashIds: 'the key of a test, and of nothing else'
  })
  t.teardown(() => store.close())
  await store.createTable()
  const set = promisify(store.set.bind(store))
  const save = async (id: string, session: object) => { await set(id, { cookie: {}, ...session }) }
  await save('one', signedIn(ALICE, 'alice@example.com', 'INVESTOR'))
  await save('two', signedIn(ALICE, 'alice@example.com', 'ISSUER'))
  await save('three', { ...signedIn(BOB, 'Bob@Example.com', 'ADMIN'), note: 'half \ud800, and \0' })
  await save('login', newTransaction({ requestedRole: 'INVESTOR', returnTo: '/' }))
  await save('expired', signedIn(BOB, 'bob@example.com', 'ADMIN'))
  await db.query('UPDATE session SET expire = timezone(\'utc\', now()) - interval \'30 seconds\' WHERE sid = $1', [
    (await sids(db)).at(-1)
  ])
  const run: Rows['run'] = (args, options = {}) =>
    cli(args.split(' '), { ...options, env: { DATABASE_URL: db.url, ...options.env } })
  return { db, store, save, run }
}

const signedIn = (sub: string, email: string, role: string) => ({
  user: { sub, email, name: 'Line\u001b[2J\nbreak' },
  role,
  roles: [role],
  authTime: 1_700_000_000,
  refreshToken: 'encrypted-refresh-token',
  client: { userAgent: 'Mozilla/5.0', ip: '192.0.2.1' }
})

/** In the order in which they were written. */
const sids = async (db: Database): Promise<string[]> =>
  (await db.query('SELECT sid FROM session ORDER BY ctid')).map(({ sid }) => sid as string)

/** How many rows say why a session has ended. */
const ends = async (db: Database): Promise<number> =>
  (await db.query('SELECT sid FROM session WHERE sid LIKE \'ended.%\'')).length

test('stats counts the rows by kind', async (t) => {
  const { run } = await tableInUse(t)

  const { code, json } = await run('sessions stats --json')

  t.equal(code, 0)
  t.match(json(), {
    active: 4, signedIn: 3, startedLogins: 1, other: 0, ended: 0, expired: 1, longestWaitSeconds: 30, total: 5,
    oldestExpiry: /^\d{4}-/, newestExpiry: /Z$/, tableBytes: Number, indexBytes: Number
  })
  t.match((await run('sessions stats')).stdout, /^active +4\n {2}signed in +3\n {2}started logins +1\n/)
})

test('list has the sessions of signed-in users, those of one with --user', async (t) => {
  const { run, store } = await tableInUse(t)

  const all = (await run('sessions list --json')).json<Record<string, unknown>[]>()
  const hers = (await run(`sessions list --user ${ALICE} --json`)).json<Record<string, unknown>[]>()

  t.same(all.map(({ sub }) => sub).sort(), [ALICE, ALICE, BOB])
  t.same(hers.map(({ role }) => role).sort(), ['INVESTOR', 'ISSUER'])
  t.same(hers.map(({ id }) => id).sort(), (await store.listByUser(ALICE)).map(({ id }) => id).sort())
  t.match(hers[0], {
    email: 'alice@example.com',
    createdAt: /Z$/,
    lastSeenAt: /Z$/,
    expiresAt: /Z$/,
    userAgent: 'Mozilla/5.0',
    ip: '192.0.2.1'
  })
  const { stdout } = await run('sessions list --limit 2')
  t.equal(stdout.split('\n').length, 5)
  t.match(stdout, /^ID +SUB +E-MAIL +ROLE +CREATED +LAST SEEN +EXPIRES +IP\n/)
  t.match(stdout, /the first 2 sessions: --limit shows more\n$/)
})

test('show has what a session holds, without its tokens', async (t) => {
  const { run, store } = await tableInUse(t)
  const [session] = await store.listByUser(BOB)

  const { stdout, json } = await run(`sessions show ${session?.id ?? ''} --json`)

  t.match(json(), {
    id: session?.id ?? '', sub: BOB, role: 'ADMIN', roles: ['ADMIN'], authTime: '2023-11-14T22:13:20.000Z',
    refreshToken: true, accessToken: false, data: ['note'], user: { email: 'Bob@Example.com' }
  })
  t.notMatch(stdout, /encrypted-refresh-token/)
})

test('What is stored moves no cursor', async (t) => {
  const { run, store } = await tableInUse(t)
  const [session] = await store.listByUser(BOB)

  const { stdout } = await run(`sessions show ${session?.id ?? ''}`)

  t.match(stdout, /user\.name +Line\ufffd\[2J\ufffdbreak\n/)
})

test('Nor do names and values in JSON: a terminal may show it', async (t) => {
  const { run, save, db } = await tableInUse(t)
  const before = await sids(db)
  const data = { 'a\u009b2Jb\u202e': 1 }
  await save('odd', { ...signedIn('odd', 'odd@example.com', 'ADMIN'), ...data })
  const sid = (await sids(db)).find((known) => !before.includes(known)) ?? ''

  for (const args of [`sessions show ${publicId(sid)}`, `sessions show ${publicId(sid)} --json`]) {
    const { stdout } = await run(args)
    t.notMatch(stdout, /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/)
  }
  t.same((await run(`sessions show ${publicId(sid)} --json`)).json<{ data: string[] }>().data, Object.keys(data))
})

test('An id that is no public id is refused and not repeated', async (t) => {
  const { run } = await tableInUse(t)

  for (const command of ['show', 'revoke']) {
    const cookie = 's%3Asecret.signature'
    t.same(await told(run(`sessions ${command} ${cookie}`)), {
      code: 1, stderr: 'error: the id is not a public session id, which has 22 letters, digits, - and _\n'
    })
    t.same(await told(run(`sessions ${command} ${'x'.repeat(22)}`)), {
      code: 1, stderr: 'error: there is no live session with this id\n'
    })
  }
})

const told = async (ran: ReturnType<typeof cli>) => {
  const { code, stderr } = await ran
  return { code, stderr }
}

test('revoke ends one session by its public id, which tells why', async (t) => {
  const { db, run, store } = await tableInUse(t)
  const [one, two] = await store.listByUser(ALICE)

  t.same((await run(`sessions revoke ${one?.id ?? ''} --json`)).json(), { ended: 1 })

  t.same((await store.listByUser(ALICE)).map(({ id }) => id), [two?.id])
  t.equal(await ends(db), 1)
  t.equal(await store.endReason('two'), 'ended_elsewhere')
})

test('revoke takes an id that begins with a hyphen', async (t) => {
  const { db, run } = await tableInUse(t)
  let id = ''
  for (let i = 0; !id.startsWith('-'); i++) id = publicId(`plain-${i}`)
  for (let i = 0; i < 200; i++) {
    if (publicId(`plain-${i}`) !== id) continue
    await db.query(`INSERT INTO session VALUES ('plain-${i}', '{"user":{"sub":"carol"}}', now() + interval '1 day')`)
  }

  t.match((await run(`sessions show ${id} --json`)).json(), { id, sub: 'carol' })
  t.same((await run(`sessions revoke ${id} --json`)).json(), { ended: 1 })
})

test('revoke --user ends all sessions of a user', async (t) => {
  const { db, run, store } = await tableInUse(t)

  t.equal((await run(`sessions revoke --user ${ALICE}`)).stdout, '2 sessions ended\n')

  t.same(await store.listByUser(ALICE), [])
  t.equal((await store.listByUser(BOB)).length, 1)
  t.equal(await ends(db), 2)
  t.equal((await run(`sessions revoke --user ${ALICE}`)).stdout, '0 sessions ended\n')
})

test('revoke --user ends more sessions than one statement does', async (t) => {
  const { db, run } = await tableInUse(t)
  await db.query(`INSERT INTO session
    SELECT 'many-' || n, '{"user":{"sub":"carol"}}', timezone('utc', now()) + interval '1 hour'
    FROM generate_series(1, 2500) AS n`)

  t.same((await run('sessions revoke --user carol --json')).json(), { ended: 2500 })
})

test('revoke --email ends the sessions with the address, in capitals or not', async (t) => {
  const { run, store } = await tableInUse(t)

  t.same((await run('sessions revoke --email BOB@example.COM --json')).json(), { ended: 1 })

  t.same(await store.listByUser(BOB), [])
  t.equal((await store.listByUser(ALICE)).length, 2)
})

for (const [how, args, count] of [
  ['an id', async (sid: string) => publicId(sid), 1],
  ['--user', async () => `--user ${ALICE}`, 2],
  ['--email', async () => '--email alice@example.com', 2]
] as const) {
  test(`revoke with ${how} leaves its events in the audit trail`, async (t) => {
    const { db, run } = await tableInUse(t)
    await db.query((await run('schema')).stdout)

    const [sid = ''] = await sids(db)
    t.equal((await run(`sessions revoke ${await args(sid)} --yes`)).code, 0)

    const events = await db.query('SELECT type, actor, reason, sub, role FROM auth_event ORDER BY role')
    t.same(events, ['INVESTOR', 'ISSUER'].slice(0, count).map((role) => (
      { type: 'ended', actor: 'operator', reason: 'ended_elsewhere', sub: ALICE, role })))
  })
}

test('prune and clear leave no event', async (t) => {
  const { db, run } = await tableInUse(t)
  await db.query((await run('schema')).stdout)
  await run('sessions prune')
  await run('sessions clear --yes')
  t.same(await db.query('SELECT type FROM auth_event'), [])
})

test('revoke wants one of an id, a user and an address', async (t) => {
  const { run } = await tableInUse(t)

  const stderr = 'error: name a session id, --user or --email: one of the three\n'
  t.same(await told(run('sessions revoke')), { code: 1, stderr })
  t.same(await told(run(`sessions revoke --user ${ALICE} --email a@example.com`)), { code: 1, stderr })
})

test('revoke asks on a terminal', async (t) => {
  const { run, store } = await tableInUse(t)

  const no = await run(`sessions revoke --user ${ALICE}`, { isTerminal: true, input: 'n\n' })
  t.equal(no.code, 1)
  t.match(no.stderr, `End all sessions of the user ${ALICE}? [y/N] `)
  t.equal((await store.listByUser(ALICE)).length, 2)

  const yes = await run(`sessions revoke --user ${ALICE}`, { isTerminal: true, input: 'y\n' })
  t.equal(yes.stdout, '2 sessions ended\n')
})

test('prune removes expired rows and nothing else', async (t) => {
  const { db, run } = await tableInUse(t)

  t.same((await run('sessions prune --json')).json(), { removed: 1 })

  t.equal((await sids(db)).length, 4)
})

test('clear asks first, and refuses where there is no terminal', async (t) => {
  const { db, run } = await tableInUse(t)
  await db.query(`INSERT INTO session
    VALUES ('shared.assertion-keys', '{"shared":"x"}', now() + interval '14 days')`)
  const question = /^error: End all 4 sessions and started logins in the database test_\w+\? There is no terminal/

  t.match(await told(run('sessions clear')), { code: 1, stderr: question })
  for (const input of ['\n', '', 'nay\n', 'yesterday\n', 'n\ny\n']) {
    t.equal((await run('sessions clear', { isTerminal: true, input })).code, 1, JSON.stringify(input))
  }
  t.equal((await sids(db)).length, 6)

  t.same((await run('sessions clear --yes --json')).json(), { removed: 5 })
  t.same(await sids(db), ['shared.assertion-keys'])
})

test('clear --older-than keeps younger sessions and logins', async (t) => {
  const { db, run, save, store } = await tableInUse(t)
  await save('old', signedIn(BOB, 'bob@example.com', 'ADMIN'))
  await db.query(`UPDATE session
    SET sess = regexp_replace(sess::text, '"created":\\d+', '"created":1600000000000')::json
    WHERE sid = $1`, [(await sids(db)).at(-1)])

  t.same((await run('sessions clear --older-than 1h --yes --json')).json(), { removed: 1 })
  t.equal((await sids(db)).length, 5)
  t.equal((await store.listByUser(BOB)).length, 1)
  t.match(await told(run('sessions clear --older-than soon')), {
    code: 1, stderr: /^error: option '--older-than <duration>' argument 'soon' is invalid. .*\n$/
  })
})

test('clear --older-than takes seconds, minutes, hours and days', async (t) => {
  const { db, run } = await tableInUse(t)
  for (const [ageMinutes, keeping, ending] of [
    [30, '31m', '29m'], [30, '1h', '1700s'], [30 * 60, '2d', '1d']
  ] as const) {
    await db.query(`INSERT INTO session
      SELECT 'old', json_build_object('user', json_build_object('sub', 'carol'), '~store', json_build_object(
        'created', floor(extract(epoch FROM now()) * 1000)::bigint - ${ageMinutes} * 60000
      )), timezone('utc', now()) + interval '1 hour'`)
    t.same((await run(`sessions clear --older-than ${keeping} --yes --json`)).json(), { removed: 0 }, keeping)
    t.same((await run(`sessions clear --older-than ${ending} --yes --json`)).json(), { removed: 1 }, ending)
  }
})

test('list has the absolute lifetime, and no use that is to come', async (t) => {
  const { run } = await tableInUse(t)
  const env = { SESSION_TTL: '60', SESSION_ABSOLUTE_TTL: '600' }
  const found = (await run('sessions list --json', { env }))
    .json<Record<'createdAt' | 'lastSeenAt' | 'expiresAt', string>[]>()
  t.equal(found.length, 3)
  for (const { createdAt, lastSeenAt, expiresAt } of found) {
    t.equal(Date.parse(expiresAt) - Date.parse(createdAt), 600_000)
    t.ok(Math.abs(Date.parse(lastSeenAt) - Date.now()) < 30_000, lastSeenAt)
  }
})

for (const afterMs of [0, 300]) {
  test(`SIGINT ${afterMs} ms after the question is no`, { timeout: 10_000 }, async (t) => {
    const { db, run } = await tableInUse(t)
    const interruption = new AbortController()
    const asking = run('sessions clear', { isTerminal: true, interrupted: interruption.signal })
    if (afterMs > 0) await sleep(afterMs)
    interruption.abort()
    t.equal((await asking).code, 1)
    t.equal((await sids(db)).length, 5)
  })
}

test('An interrupted clear says how far it got', async (t) => {
  const { db, run } = await tableInUse(t)

  t.match(await told(run('sessions clear --yes', { interrupted: AbortSignal.abort() })), {
    code: 1, stderr: 'error: interrupted: 0 rows removed, and there may be more\n'
  })
  t.equal((await sids(db)).length, 5)
})

test('A table that connect-pg-simple made has the same answers', async (t) => {
  const { db, run, store } = await tableInUse(t)
  await db.query('ALTER TABLE session DROP COLUMN user_sub')
  const [session] = await store.listByUser(BOB)

  t.match((await run('sessions stats --json')).json(), { signedIn: 3, startedLogins: 1, other: 0 })
  t.equal((await run('sessions list --json')).json<unknown[]>().length, 3)
  t.match((await run(`sessions show ${session?.id ?? ''} --json`)).json(), { sub: BOB })
  t.same((await run(`sessions revoke --user ${ALICE} --json`)).json(), { ended: 2 })
  t.same((await run('sessions revoke --email bob@example.com --json')).json(), { ended: 1 })
})

test('Without a table, and without a database, one line says so', async (t) => {
  const db = await database(t)
  const closed = 'postgres://user:password-of-a-test@127.0.0.1:1/none'

  t.match(await told(cli(['sessions', 'stats'], { env: { DATABASE_URL: db.url } })), {
    code: 1, stderr: /^error: the table "session" does not exist in this database: .*\n$/
  })
  const refused = await told(cli(['sessions', 'stats'], { env: { DATABASE_URL: closed } }))
  t.match(refused, { code: 1, stderr: /^error: the connection was refused \(ECONNREFUSED\): .*\n$/ })
  t.notMatch(refused.stderr, 'password-of-a-test')
  t.match(await told(cli(['sessions', 'stats'])), { code: 1, stderr: /^error: DATABASE_URL is missing: .*\n$/ })
})
