/**
 * Every statement of docs/operations.md, and the commands beside them, on a million rows, as the role that the page
 * creates. Some of the names hold what PostgreSQL stores as JSON but cannot read as a member.
 *
 * @module
 */
import pg from 'pg'
import { test, t as file, type Test } from 'tap'
import { PgSessionStore } from '../../src/sessions/store.js'
import { cli } from '../support/cli.js'
import { blocks, one, operations, run } from '../support/runbook.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'

const MONITORING = blocks('### Monitoring in SQL')
const INTERVENTION = blocks('## Manual intervention')
const VACUUM = blocks('### VACUUM and autovacuum')
const SET_UP = blocks('### Database')

const ROWS = 1_000_000
const SUB = '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f'

/** Half a surrogate pair and a NUL, as JSON has them. */
const UNREADABLE = '\\ud83d \\u0000'

/**
 * 940,000 live sessions of 470,000 users, 100 of them administrators; 20,000 started logins; 40,000 expired sessions.
 * One name in a thousand is unreadable, and so are those of the users whom the statements name.
 */
const FILL = `
  INSERT INTO session (sid, sess, expire)
  SELECT
    'h1.' || encode(sha256(n::text::bytea), 'base64'),
    CASE WHEN n <= 20000 THEN format(
      '{"cookie":{"path":"/"},"state":"%1$s","nonce":"%1$s","codeVerifier":"%1$s",'
      || '"requestedRole":"INVESTOR","returnTo":"/"}',
      md5(n::text)
    ) ELSE format(
      '{"cookie":{"originalMaxAge":900000,"path":"/","httpOnly":true,"sameSite":"lax"},"user":{"sub":"%s","email":"%s",'
      || '"emailVerified":true,"name":"%s"},"role":"%s","roles":["INVESTOR","ISSUER"],"authTime":1700000000,'
      || '"refreshToken":"%s","client":{"userAgent":"Mozilla/5.0 (X11; Linux x86_64)","ip":"192.0.2.1"},'
      || '"~store":{"created":1700000000000}}',
      CASE WHEN n IN (30001, 30002) THEN '${SUB}' ELSE md5((n / 2)::text)::uuid::text END,
      CASE WHEN n IN (40001, 40002, 40003) THEN 'Investor@Example.com' ELSE 'user' || n / 2 || '@example.com' END,
      CASE WHEN n % 1000 < 4 THEN '${UNREADABLE}' ELSE 'Ann Example' END,
      CASE WHEN n BETWEEN 50001 AND 50100 THEN 'ADMIN' ELSE 'INVESTOR' END,
      repeat(md5(n::text), 6)
    ) END::json,
    timezone('utc', now()) + CASE WHEN n <= 960000 THEN interval '6 hours' ELSE interval '-1 hour' END
      + n * interval '1 millisecond'
  FROM generate_series(1, ${ROWS}) AS n`

interface Million {
  /** The role of the page, with its time-outs. */
  url: string
  connect: (t: Test) => Promise<pg.Client>
}

const made: Promise<Million> = make(file)

async function make (t: Test): Promise<Million> {
  const { url: adminUrl } = await stoppablePostgres(t)
  const admin = new pg.Client({ connectionString: adminUrl })
  await admin.connect()
  await run(admin, one(SET_UP, 'CREATE ROLE'))
  await admin.end()
  const inDatabase = Object.assign(new URL(adminUrl), { pathname: '/cashsouk_auth' })
  const filling = new pg.Client({ connectionString: inDatabase.href })
  const { href: url } = Object.assign(
    new URL(inDatabase.href), { username: 'cashsouk_auth', password: 'change-this-password' }
  )
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false })
  await store.createTable()
  await store.close()
  await filling.connect()
  await filling.query('SET maintenance_work_mem = \'256MB\'')
  await filling.query(FILL)
  await filling.query('ANALYZE session')
  await filling.end()
  return {
    url,
    connect: async (test) => {
      const client = new pg.Client({ connectionString: url, application_name: 'cashsouk-auth' })
      await client.connect()
      test.teardown(() => client.end())
      return client
    }
  }
}

async function timed<Result> (work: () => Promise<Result>): Promise<{ result: Result, ms: number }> {
  const beganMs = performance.now()
  const result = await work()
  return { result, ms: performance.now() - beganMs }
}

const title = (sql: string): string => sql.replaceAll(/SET \w+ = [^;]+;|\s+/g, ' ').trim().slice(0, 80)

/** The page asks for this on a large table, before its statements. */
const LONGER = 'SET statement_timeout = \'10min\''

const rowsIn = async (client: pg.Client): Promise<number> =>
  Number((await run(client, `${LONGER};\nSELECT count(*) FROM session`))[0]?.['count'])

test('The page begins with a longer time-out', (t) => {
  t.match(operations, `\`${LONGER};\``)
  t.end()
})

for (const sql of MONITORING) {
  test(`A million rows: ${title(sql)}`, async (t) => {
    const client = await (await made).connect(t)

    await client.query(LONGER)
    const { result, ms } = await timed(() => run(client, sql))

    t.ok(result.length > 0)
    t.comment(`${Math.round(ms)} ms`)
  })
}

test('A million rows: the counts are right', async (t) => {
  const client = await (await made).connect(t)
  await client.query(LONGER)

  t.same(await run(client, one(MONITORING, 'AS started_logins')), [
    { signed_in: '940000', started_logins: '20000', other: '0' }
  ])
  t.match(await run(client, one(MONITORING, 'AS users')), [
    { role: 'INVESTOR', sessions: '939900' }, { role: 'ADMIN', sessions: '100' }
  ])
})

test('A million rows: sessions stats takes at most twice the time of the bare SQL', async (t) => {
  const { url, connect } = await made
  const client = await connect(t)
  await client.query(LONGER)
  const bare = async () => run(client, one(MONITORING, 'AS started_logins'))
  const command = async () => cli(['sessions', 'stats', '--json'], { env: { DATABASE_URL: url } })
  const [sql, stats]: [number[], number[]] = [[], []]

  for (let i = 0; i < 3; i++) {
    sql.push((await timed(bare)).ms)
    const { result, ms } = await timed(command)
    t.match(result.json(), { signedIn: 940_000, startedLogins: 20_000, expired: 40_000, total: ROWS })
    stats.push(ms)
  }

  t.comment(`bare SQL ${Math.round(Math.min(...sql))} ms, command ${Math.round(Math.min(...stats))} ms`)
  t.ok(Math.min(...stats) <= 2 * Math.min(...sql))
})

test('A million rows: sessions revoke --user takes at most 10 ms more than the bare SQL', async (t) => {
  const { url, connect } = await made
  const client = await connect(t)
  const { rows } = await client.query<{ sub: string }>(
    'SELECT user_sub AS sub FROM session WHERE user_sub > \'8\' ORDER BY user_sub LIMIT 40'
  )
  const subs = [...new Set(rows.map(({ sub }) => sub))]
  const [bare, command]: [number[], number[]] = [[], []]

  for (const [index, sub] of subs.entries()) {
    if (index % 2 === 0) {
      bare.push((await timed(async () => {
        const fresh = new pg.Client({ connectionString: url })
        await fresh.connect()
        await fresh.query('DELETE FROM session WHERE user_sub = $1', [sub])
        await fresh.end()
      })).ms)
    } else {
      const { result, ms } = await timed(() =>
        cli(['sessions', 'revoke', '--user', sub, '--json'], { env: { DATABASE_URL: url } }))
      t.match(result.json(), { ended: Number })
      command.push(ms)
    }
  }

  // The least of many: the rest is what else this machine does.
  const [sql, revoke] = [Math.min(...bare), Math.min(...command)]
  t.comment(`bare SQL ${sql.toFixed(1)} ms, command ${revoke.toFixed(1)} ms, both with a connection of their own`)
  t.ok(revoke - sql <= 10)
})

/** How many rows each intervention removes, in this order; undefined: those that have expired. */
const REMOVED = new Map<string, number | undefined>([
  ['user_sub = ', 2],
  ['->> \'email\'', 3],
  ['->> \'role\' =', 100],
  ['codeVerifier', 20_000],
  ['WHERE expire <=', undefined]
])

for (const [part, removed] of REMOVED) {
  test(`A million rows: the intervention with ${part}`, async (t) => {
    const client = await (await made).connect(t)
    const before = await rowsIn(client)
    const [count] = await run(client, one(MONITORING, 'AS expired'))
    await client.query('RESET statement_timeout')

    const { ms } = await timed(() => run(client, one(INTERVENTION, part)))

    t.equal(before - await rowsIn(client), removed ?? Number(count?.['expired']))
    t.comment(`${Math.round(ms)} ms`)
  })
}

test('A million rows: sessions revoke --email', async (t) => {
  const { url } = await made

  const { result, ms } = await timed(() =>
    cli(['sessions', 'revoke', '--email', 'USER200000@example.com', '--json'], { env: { DATABASE_URL: url } }))

  t.same(result.json(), { ended: 2 })
  t.comment(`${Math.round(ms)} ms`)
})

for (const sql of VACUUM) {
  test(`A million rows: ${title(sql)}`, async (t) => {
    const client = await (await made).connect(t)

    const { ms } = await timed(() => run(client, sql))

    t.same((await client.query('SELECT FROM pg_index WHERE NOT indisvalid')).rowCount, 0)
    t.comment(`${Math.round(ms)} ms`)
  })
}

test('A million rows: a cancelled REINDEX leaves an index that the page shows and drops', async (t) => {
  const client = await (await made).connect(t)
  await client.query('SET statement_timeout = \'100ms\'')
  await t.rejects(client.query('REINDEX INDEX CONCURRENTLY "IDX_session_expire"'), { code: '57014' })
  await client.query('SET statement_timeout = 0')

  t.same(await run(client, one(VACUUM, 'AS invalid_index')), [{ invalid_index: '"IDX_session_expire_ccnew"' }])
  await run(client, one(VACUUM, 'DROP INDEX'))
  t.same(await run(client, one(VACUUM, 'AS invalid_index')), [])
})

test('A million rows: data erase removes what names a person', async (t) => {
  const { url, connect } = await made
  const client = await connect(t)
  await client.query(LONGER)
  const { rows: [row] } = await client.query<{ sub: string }>(
    'SELECT user_sub AS sub FROM session WHERE user_sub IS NOT NULL AND sess::text LIKE \'%user250000@%\' LIMIT 1'
  )
  const sub = row?.sub ?? ''

  const { result, ms } = await timed(() =>
    cli(['data', 'erase', '--user', sub, '--yes', '--json'], { env: { DATABASE_URL: url } }))

  t.match(result.json(), { sub, sessions: 2, events: null })
  t.comment(`${Math.round(ms)} ms`)
})

test('A million rows: sessions clear, then TRUNCATE', async (t) => {
  const { url, connect } = await made
  const client = await connect(t)
  const rows = await rowsIn(client)

  const { result, ms } = await timed(() =>
    cli(['sessions', 'clear', '--yes', '--json'], { env: { DATABASE_URL: url } }))

  t.same(result.json(), { removed: rows })
  t.comment(`${Math.round(ms)} ms`)
  await run(client, one(INTERVENTION, 'TRUNCATE'))
  t.equal(await rowsIn(client), 0)
})
