import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { test, type Test } from 'tap'
import { variableNames } from '../../src/config.js'
import * as errors from '../../src/errors.js'
import { newTransaction } from '../../src/login/transaction.js'
import { eventTableGrant, eventTableStatements } from '../../src/sessions/statements/create-event-table.js'
import { PgSessionStore } from '../../src/sessions/store.js'
import { database } from '../support/database.js'
import { rootUrl } from '../support/root.js'
import { blocks, one, operations, run, sqlBlocks } from '../support/runbook.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'

/** The user whose `sub` the statements name. */
const SUB = '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f'
/** Seconds. */
const TTL = 900

const MONITORING = blocks('### Monitoring in SQL')
const INTERVENTION = blocks('## Manual intervention')
const MAINTENANCE = blocks('## Maintenance')
const AUDIT = blocks('## Audit trail')
const SET_UP = blocks('### Database')

async function connect (t: Test, url: string, options?: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'cashsouk-auth',
    ...(options === undefined ? {} : { options })
  })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/**
 * The table as it is in use: three signed-in sessions (two of one user, one of an administrator), a started
 * login, a session and a login that have expired. Names hold what PostgreSQL cannot read as a member of JSON. The
 * connection has a time zone far from UTC.
 */
async function tableInUse (t: Test): Promise<pg.Client> {
  const { url } = await database(t)
  const store = new PgSessionStore({
    conString: url,
    ttl: TTL,
    absoluteTtl: 43_200,
    hashIds: 'the key of a test, and of nothing else',
    pruneSessionInterval: false
  })
  t.teardown(() => store.close())
  await store.createTable()
  const save = promisify(store.set.bind(store))
  const signedIn = (sub: string, role: string) => ({
    cookie: {},
    user: { sub, email: `${role.toLowerCase()}@example.com`, name: 'half \ud83d, and \0' },
    role,
    roles: [role]
  })
  await save('one', signedIn(SUB, 'INVESTOR'))
  await save('two', signedIn(SUB, 'ISSUER'))
  await save('three', signedIn('9a8b7c6d-0000-4000-8000-000000000000', 'ADMIN'))
  const login = () => ({ cookie: {}, ...newTransaction({ requestedRole: 'INVESTOR', returnTo: '/' }) })
  await save('login', login())
  await save('expired', signedIn(SUB, 'INVESTOR'))
  await save('expired login', login())
  const client = await connect(t, url, '-c TimeZone=Pacific/Kiritimati')
  // Saved in this order.
  await client.query(
    `UPDATE session SET expire = timezone('utc', now()) - interval '30 seconds'
    WHERE ctid IN (SELECT ctid FROM session ORDER BY ctid DESC LIMIT 2)`
  )
  return client
}

const counts = async (client: pg.Client) => (await run(client, one(MONITORING, 'AS started_logins')))[0]

test('Every SQL block belongs to a tested section', (t) => {
  t.same([...SET_UP, ...MONITORING, ...AUDIT, ...INTERVENTION, ...MAINTENANCE].sort(), sqlBlocks(operations).sort())
  t.ok(MONITORING.length >= 10)
  t.end()
})

for (const sql of MONITORING) {
  test(`The query is read-only: ${sql.replaceAll(/\s+/g, ' ').slice(0, 100)}`, async (t) => {
    const client = await tableInUse(t)
    await client.query('SET default_transaction_read_only = on')

    const rows = await run(client, sql)

    t.ok(rows.length > 0)
  })
}

test('The counts separate sessions, logins and expired rows in any time zone', async (t) => {
  const client = await tableInUse(t)

  t.same(await run(client, one(MONITORING, 'AS active ')), [{ active: '4' }])
  t.same(await run(client, one(MONITORING, 'AS total ')), [{ total: '6' }])
  t.same(await counts(client), { signed_in: '3', started_logins: '1', other: '0' })
  t.match(await run(client, one(MONITORING, 'AS expired')), [{ expired: '2', longest_wait: { seconds: 30 } }])
  t.same(await run(client, one(MONITORING, 'AS hashed')), [{ hashed: '6', plain: '0' }])
  t.same(
    await run(client, one(MONITORING, 'AS users')),
    ['ADMIN', 'INVESTOR', 'ISSUER'].map((role) => ({ role, sessions: '1', users: '1' }))
  )
})

test('Sessions that ended with a reason, and the keys of assertions, count as rows only', async (t) => {
  const client = await tableInUse(t)
  const counted = async () => {
    const found = []
    for (const part of COUNTS) found.push(await run(client, one(MONITORING, part)))
    return found
  }
  const before = await counted()
  await client.query(`INSERT INTO session VALUES
    ('ended.${'x'.repeat(43)}', '{"ended" : "signed_out"}', timezone('utc', now()) + interval '1 hour'),
    ('shared.assertion-keys', '{"shared" : "encrypted"}', timezone('utc', now()) + interval '14 days')`)

  t.same(await counted(), before)
  t.same(await run(client, one(MONITORING, 'AS total ')), [{ total: '8' }])
})

/** The statements that count sessions. */
const COUNTS = ['AS active ', 'AS started_logins', 'AS users', 'AS minute_utc', 'AS oldest_utc', 'AS hashed']

test('The distribution by minute counts the live rows', async (t) => {
  const client = await tableInUse(t)

  const rows = await run(
    client,
    `WITH d AS (${one(MONITORING, 'AS minute_utc').replace(';', '')})
    SELECT sum(sessions)::int AS sessions,
      max(minute_utc) <= timezone('utc', now()) + interval '${TTL} seconds' AS soon
    FROM d`
  )

  t.same(rows, [{ sessions: 4, soon: true }])
})

test('The oldest and the newest expiry are correct', async (t) => {
  const client = await tableInUse(t)

  const rows = await run(client, `WITH d AS (${one(MONITORING, 'AS oldest_utc').replace(';', '')})
    SELECT round(extract(epoch FROM oldest_utc - timezone('utc', now())) / 10)::int * 10 AS oldest,
      round(extract(epoch FROM newest_utc - timezone('utc', now())) / 10)::int * 10 AS newest FROM d`)

  t.same(rows, [{ oldest: -30, newest: TTL }])
})

test('The size query covers the table and its indexes', async (t) => {
  t.match(await run(await tableInUse(t), one(MONITORING, 'pg_total_relation_size')), [{
    table_size: /^\d+ kB$/, expire_index_size: /^\d+ kB$/, all_indexes_size: /^\d+ kB$/, total_size: /^\d+ kB$/
  }])
})

test('A user\'s sessions expire one idle lifetime after sign-in', async (t) => {
  const rows = (await run(await tableInUse(t), one(MONITORING, 'AS signed_in_at'))) as {
    signed_in_at: Date
    expires_at: Date
    role: string
  }[]

  t.same(rows.map(({ role }) => role).sort(), ['INVESTOR', 'ISSUER'])
  for (const { signed_in_at: from, expires_at: until } of rows) {
    t.ok(Math.abs(until.getTime() - from.getTime() - TTL * 1000) < 10)
    t.ok(Math.abs(Date.now() - from.getTime()) < 60_000)
  }
})

test('The connection query lists the connections of this server', async (t) => {
  const client = await tableInUse(t)

  const rows = await run(client, one(MONITORING, 'pg_stat_activity'))

  t.ok(rows.some(({ state }) => state === 'active'))
})

test('The statement about locks finds those that keep the server from writing, and no others', async (t) => {
  const [, statement = ''] = /`(SELECT pid, mode FROM pg_locks[^`]*)`/.exec(operations) ?? []
  const client = await tableInUse(t)
  const found = async (sql: string) => {
    await client.query(`BEGIN; ${sql}`)
    const { rows } = await client.query<{ mode: string }>(statement)
    await client.query('ROLLBACK')
    return rows.map(({ mode }) => mode)
  }

  t.same(await found('CREATE INDEX ON session (expire)'), ['ShareLock'])
  for (const mode of ['SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE']) {
    t.match(await found(`LOCK TABLE session IN ${mode} MODE`), { length: 1 }, mode)
  }
  for (const mode of ['ACCESS SHARE', 'ROW SHARE', 'ROW EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE']) {
    t.same(await found(`LOCK TABLE session IN ${mode} MODE`), [], mode)
  }
})

test('Line 7 has the words of PostgreSQL for a process that only the administrator may end', async (t) => {
  const [, refusal = ''] = /If that is refused \(([^)]*)\)/.exec(operations) ?? []
  const words = [...refusal.matchAll(/`([^`]*)`/g)].map(([, text = '']) => text)
  const { url } = await database(t)
  const [admin, server] = [await connect(t, url), await connect(t, url)]
  const { rows: [{ pid } = {}] } = await admin.query<{ pid?: number }>('SELECT pg_backend_pid() AS pid')
  const role = `plain_${pid}`
  await admin.query(`CREATE ROLE ${role}`)
  await server.query(`SET SESSION AUTHORIZATION ${role}`)

  const error = await server.query('SELECT pg_terminate_backend($1)', [pid]).catch((thrown: unknown) => thrown)

  t.ok(words.some((text) => (error as Error).message.includes(text)), (error as Error).message)
  await server.query('RESET SESSION AUTHORIZATION')
  await admin.query(`DROP ROLE ${role}`)
})

const REMAINING = new Map([
  ['WHERE expire <=', { rows: 4, signed_in: '3', started_logins: '1' }],
  ['user_sub = ', { rows: 3, signed_in: '1', started_logins: '1' }],
  ['->> \'email\'', { rows: 4, signed_in: '2', started_logins: '1' }],
  ['->> \'role\' =', { rows: 5, signed_in: '2', started_logins: '1' }],
  ['codeVerifier', { rows: 4, signed_in: '3', started_logins: '0' }],
  ['TRUNCATE', { rows: 0, signed_in: '0', started_logins: '0' }]
])

test('Every manual intervention is tested', (t) => {
  t.same([...REMAINING.keys()].map((part) => one(INTERVENTION, part)).sort(), [...INTERVENTION].sort())
  t.end()
})

for (const [part, { rows, ...live }] of REMAINING) {
  test(`The intervention with ${part} removes only its own rows`, async (t) => {
    const client = await tableInUse(t)

    await run(client, one(INTERVENTION, part))

    t.match(await counts(client), live)
    t.same(await run(client, 'SELECT count(*)::int AS rows FROM session'), [{ rows }])
  })
}

/** An audit trail of a night and a day, read by a role that may not write. */
async function auditTrail (t: Test): Promise<pg.Client> {
  const db = await database(t)
  const { url } = db
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false, events: {} })
  t.teardown(() => store.close())
  await store.createTable()
  await db.query(`INSERT INTO auth_event (at, type, sub, ip, actor, reason, count) VALUES
    (timestamptz 'yesterday' + interval '12 hours', 'sign_in', 'by day', NULL, NULL, NULL, 1),
    (timestamptz 'yesterday' + interval '23 hours', 'sign_in', $1, '192.0.2.1', NULL, NULL, 1),
    (now() - interval '3 minutes', 'refused', NULL, '192.0.2.1', NULL, 'ERR_STATE_UNKNOWN', 1),
    (now() - interval '2 minutes', 'refused', NULL, '192.0.2.1', NULL, 'ERR_STATE_UNKNOWN', 95),
    (now() - interval '1 minute', 'refused', NULL, '192.0.2.2', NULL, 'ERR_ROLE_NOT_GRANTED', 1),
    (now() - interval '2 days', 'refused', NULL, '192.0.2.3', NULL, 'ERR_STATE_UNKNOWN', 1),
    (now() - interval '1 minute', 'ended', $1, NULL, 'cognito', 'AdminDisableUser', 1),
    (now() - interval '1 minute', 'ended', $1, NULL, 'cognito', 'AdminDisableUser', 1)`, [SUB])
  const client = await connect(t, url)
  await client.query('SET default_transaction_read_only = on')
  return client
}

test('The statements about the audit trail answer their questions', async (t) => {
  const client = await auditTrail(t)
  t.equal(AUDIT.length, 5)

  t.match(await run(client, one(AUDIT, 'yesterday')), [{ sub: SUB, ip: '192.0.2.1' }])
  t.match(await run(client, one(AUDIT, 'AS refused')), [
    { ip: '192.0.2.1', reason: 'ERR_STATE_UNKNOWN', refused: '96' },
    { ip: '192.0.2.2', reason: 'ERR_ROLE_NOT_GRANTED', refused: '1' }
  ])
  t.same((await run(client, one(AUDIT, 'WHERE sub ='))).map(({ type }) => type), ['ended', 'ended', 'sign_in'])
  t.match(await run(client, one(AUDIT, 'AS users')), [
    { actor: 'cognito', reason: 'AdminDisableUser', sessions: '2', users: '1' }
  ])
  t.match(await run(client, one(AUDIT, 'AS total_size')), [{ total_size: /kB$/, oldest: Date }])
})

test('docs/audit.md has the SQL that a start asks for', async (t) => {
  const [sql = ''] = sqlBlocks(await readFile(new URL('docs/audit.md', rootUrl), 'utf8'))
  const table = { tableName: 'auth_event', schemaName: undefined }
  const statements = [...eventTableStatements(table), eventTableGrant(table, 'cashsouk_auth').replaceAll('"c', 'c')]
  t.equal(sql, statements.map((statement) => `${statement};\n`).join('').replace('cashsouk_auth"', 'cashsouk_auth'))
})

for (const sql of MAINTENANCE) {
  test(`Maintenance keeps the rows: ${sql.replaceAll(/\s+/g, ' ').slice(0, 60)}`, async (t) => {
    const client = await tableInUse(t)

    await run(client, sql)

    t.same(await run(client, one(MONITORING, 'AS total ')), [{ total: '6' }])
  })
}

test('The set-up creates a role with timeouts that can create the table', async (t) => {
  const { role, url } = await setUp(t, false)
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false })
  t.teardown(() => store.close())

  await store.createTable()

  const settings = ['statement_timeout=2500ms', 'lock_timeout=1500ms', 'idle_in_transaction_session_timeout=4s']
  t.same(await run(role, one(SET_UP, 'rolconfig')), [{ rolname: 'cashsouk_auth', rolconfig: settings }])
})

test('The least privileges suffice for the server and forbid CREATE and DROP', async (t) => {
  const { role, url } = await setUp(t, true)
  const store = new PgSessionStore({ conString: url, absoluteTtl: 43_200, pruneSessionInterval: false })
  t.teardown(() => store.close())
  const get = promisify(store.get.bind(store))
  const set = promisify(store.set.bind(store))
  const touch = promisify(store.touch.bind(store))
  const destroy = promisify(store.destroy.bind(store))

  await store.createTable()
  await set('id', { cookie: {}, user: { sub: SUB } })
  const session = await get('id')
  await set('id', { ...session, role: 'INVESTOR' })
  await touch('id', { cookie: {} })

  t.match(await get('id'), { user: { sub: SUB }, role: 'INVESTOR' })
  await store.ping()
  await role.query('UPDATE session SET expire = timezone(\'utc\', now())')
  t.equal(await store.prune(), 1)
  await set('other', { cookie: {}, user: { sub: SUB } })
  await destroy('other')
  t.equal(await get('other'), null)
  await t.rejects(role.query('CREATE TABLE mine ()'), { code: '42501' })
  await t.rejects(role.query('DROP TABLE session'), { code: '42501' })
})

/** Whether an instance with these keys finds the session; it is then used, unchanged, as by a request. */
async function used (t: Test, url: string, hashIds: false | string[]): Promise<boolean> {
  const store = new PgSessionStore({ conString: url, hashIds, pruneSessionInterval: false })
  t.teardown(() => store.close())
  const session = await promisify(store.get.bind(store))('id')
  if (session === null || session === undefined) return false
  await promisify(store.set.bind(store))('id', session)
  return true
}

/** A session in the table of a new database, written by an instance with these keys. */
async function sessionOf (t: Test, hashIds: false | string[]): Promise<string> {
  const { url } = await database(t)
  const store = new PgSessionStore({ conString: url, hashIds, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await promisify(store.set.bind(store))('id', { cookie: {}, user: { sub: SUB } })
  return url
}

const [OLD, NEW] = ['the old key of a test, of 32 bytes or more', 'the new key of a test, of 32 bytes or more']

test('Rotating the secret in three steps keeps sessions in use', async (t) => {
  const url = await sessionOf(t, [OLD])

  for (const keys of [[OLD], [OLD, NEW], [OLD], [NEW, OLD], [OLD, NEW], [NEW, OLD], [NEW]]) {
    t.equal(await used(t, url, keys), true, String(keys))
  }
  t.equal(await used(t, url, [OLD]), false, 'the old secret is of no more use')
})

test('Replacing the secret in one step loses the session', async (t) => {
  t.equal(await used(t, await sessionOf(t, [OLD]), [NEW]), false)
})

test('Turning hashed ids on keeps sessions, turning them off loses them', async (t) => {
  const url = await sessionOf(t, false)

  t.equal(await used(t, url, [OLD]), true)
  t.equal(await used(t, url, [OLD]), true)
  t.equal(await used(t, url, false), false)
})

/** A cluster of the test's own, set up as the page says; `role` is connected as the server would be. */
async function setUp (t: Test, least: boolean): Promise<{ role: pg.Client, url: string }> {
  const { url: adminUrl } = await stoppablePostgres(t)
  await run(await connect(t, adminUrl), one(SET_UP, 'CREATE ROLE'))
  const inDatabase = Object.assign(new URL(adminUrl), { pathname: '/cashsouk_auth' })
  if (least) await run(await connect(t, inDatabase.href), one(SET_UP, 'GRANT'))
  const url = Object.assign(inDatabase, { username: 'cashsouk_auth', password: 'change-this-password' }).href
  return { role: await connect(t, url), url }
}

/** First cells of the table rows of a section. */
const cells = (heading: string): string[][] => {
  const section = operations.slice(operations.indexOf(`\n${heading}\n`) + heading.length + 2).split(/^#+ /m)[0] ?? ''
  return section.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.slice(2, -2).split(' | '))
}

test('The documented variables are exactly those that exist', (t) => {
  t.same(cells('### Variables').map(([name]) => name?.replaceAll('`', '')).sort(), [...variableNames].sort())
  t.end()
})

interface Raised { code: string, statusCode: number }
const known = Object.entries(errors).filter(([name]) => name.startsWith('ERR_'))
  .map(([, Raise]) => new (Raise as unknown as new () => Raised)())

test('Every client-visible error code is documented with its status', (t) => {
  const visible = known.filter(({ code }) => code !== 'ERR_CONFIG')

  t.same(cells('## Error codes').map(([code, status]) => `${code ?? ''} ${status ?? ''}`).sort(),
    visible.map(({ code, statusCode }) => `\`${code}\` ${statusCode}`).sort())
  t.end()
})

test('Every error code in the documents exists', async (t) => {
  const codes = new Set(known.map(({ code }) => code))
  const names = (await readdir(new URL('docs', rootUrl), { recursive: true })).filter((name) => name.endsWith('.md'))

  for (const name of names) {
    const text = await readFile(new URL(`docs/${name}`, rootUrl), 'utf8')
    // Node.js' and jose's own are named as what a log line's cause may hold.
    for (const [code] of text.matchAll(/(?<![A-Z_])ERR_(?!TLS_|JW[A-Z]+_)[A-Z_]+/g)) {
      t.ok(codes.has(code), `${name}: ${code}`)
    }
  }
})

test('Every documented log line occurs in the source', async (t) => {
  const files = (
    await Promise.all(
      ['src', 'plugins', 'routes'].map(async (dir) =>
        (await readdir(new URL(dir, rootUrl), { recursive: true }))
          .filter((name) => name.endsWith('.ts'))
          .map((name) => `${dir}/${name}`)
      )
    )
  ).flat()
  const source = (await Promise.all(files.map((file) => readFile(new URL(file, rootUrl), 'utf8')))).join('\n')

  const messages = cells('### Log').map(([message = '']) => /`(.*?) ?`/.exec(message)?.[1] ?? '')

  t.ok(messages.length > 10)
  for (const message of messages) {
    t.ok(message !== '' && ['\'', '`'].some((quote) => source.includes(quote + message)), message)
  }
})

test('Every link within the page leads to a heading', (t) => {
  const anchors = [...operations.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-')
  )

  for (const [, anchor = ''] of operations.matchAll(/\]\(#([^)]+)\)/g)) t.ok(anchors.includes(anchor), anchor)
  t.end()
})

test('Files that the page names exist', async (t) => {
  for (const path of [
    'deploy/ecs/task-definition.json',
    'deploy/postgres/init.sql',
    'deploy/nginx.conf',
    'deploy/systemd/cashsouk-auth.service',
    'docker-compose.yml',
    'docker-compose.prod.yml',
    '.env.example',
    'CHANGELOG.md'
  ]) {
    t.ok(operations.includes(path), path)
    await readFile(new URL(path, rootUrl))
  }
})
