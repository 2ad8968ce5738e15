/** What the log and the readiness probe tell of faults of the database. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test } from 'tap'
import { browser, signIn } from '../support/browser.js'
import { database, withSetting } from '../support/database.js'
import { smallDisk } from '../support/full-disk.js'
import { linesOf } from '../support/log-lines.js'
import { isEmbedded, server } from '../support/server.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'
import { until } from '../support/until.js'

const EDGES = ['The session database fails', 'The session database works again'] as const
const WRITE_EDGES = ['The session database refuses to write', 'The session database writes again'] as const

/** More than a fault counts with a line each. */
const MANY = 30

/** Runs each statement by itself. */
async function run (connectionString: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

const login = async (url: string) => (await browser().get(`${url}/api/auth/login`, { redirect: 'manual' })).status

const ready = async (url: string) => {
  const answer = await fetch(`${url}/health/ready`)
  return { status: answer.status, body: await answer.json() }
}

test('An outage is told once when it begins and once when it is over, with what it took', async (t) => {
  const postgres = await stoppablePostgres(t)
  const { url, log } = await server(t, { DATABASE_URL: postgres.url })
  const user = browser()
  await signIn(user, url)
  log.length = 0

  await postgres.kill()
  for (let i = 0; i < MANY; i++) t.equal((await user.get(`${url}/api/auth/me`)).status, 503)
  await sleep(1000)
  await postgres.start()
  await until(async () => (await user.get(`${url}/api/auth/me`)).status === 200)
  await until(() => linesOf(log, EDGES[1]).length > 0)

  const [begun, over, ...more] = linesOf(log, ...EDGES)
  t.match(begun, { level: 50, msg: EDGES[0], code: 'ERR_DATABASE', reason: /./ })
  t.match(over, { level: 30, msg: EDGES[1] })
  t.same(more, [])
  // An application logs its requests itself.
  const failed = isEmbedded
    ? linesOf(log, 'request completed').filter(({ res }) => (res as { statusCode: number }).statusCode === 503)
    : linesOf(log, 'Request').filter(({ statusCode }) => statusCode === 503)
  t.equal(over?.failedRequests, failed.length)
  t.ok(failed.length >= MANY)
  t.ok(Number(over?.durationMs) >= 1000 && Number(over?.durationMs) < 20_000, String(over?.durationMs))
  t.ok(isEmbedded || failed.every(({ code }) => code === 'ERR_DATABASE'), 'each request has one line, with the code')
  t.equal(linesOf(log, 'Request failed').length, 5, 'the first five have their own line')
})

test('A failure long after an outage is logged in full again', async (t) => {
  const db = await database(t)
  const { url, log } = await server(t, { DATABASE_URL: db.url })
  const user = browser()
  await signIn(user, url)
  for (let round = 0; round < 2; round++) {
    log.length = 0
    await db.query('ALTER TABLE session RENAME COLUMN sess TO other')
    for (let i = 0; i < 7; i++) t.equal((await user.get(`${url}/api/auth/me`)).status, 503)
    await db.query('ALTER TABLE session RENAME COLUMN other TO sess')
    t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
    await until(() => linesOf(log, EDGES[1]).length > 0)
    t.equal(linesOf(log, EDGES[0]).length, 1)
    t.equal(linesOf(log, 'Request failed').length, 5)
  }
})

test('A change of readiness is told once, with the code', async (t) => {
  const postgres = await stoppablePostgres(t)
  const { url, log, fastify } = await server(t, { DATABASE_URL: postgres.url })
  t.same(await ready(url), { status: 200, body: { status: 'ok' } })
  await postgres.stop()
  for (let i = 0; i < 3; i++) t.equal((await ready(url)).status, 503)
  await postgres.start()
  await until(async () => (await ready(url)).status === 200)
  await ready(url)
  fastify.cashsoukAuth.draining.start()
  for (let i = 0; i < 2; i++) t.equal((await ready(url)).status, 503)

  t.match(linesOf(log, 'Not ready', 'Ready again'), [
    { level: 40, msg: 'Not ready', code: 'ERR_DATABASE', reason: /./ },
    { level: 30, msg: 'Ready again' },
    { level: 30, msg: 'Not ready', code: 'ERR_DRAINING' }
  ])
  t.equal(linesOf(log, 'Not ready', 'Ready again').length, 3)
})

test('On a full disk, sessions are read, and the log and the probe name the disk until it has space', async (t) => {
  const disk = smallDisk(t)
  if (disk === undefined) {
    t.comment('this process may not mount a disk')
    return
  }
  const postgres = await stoppablePostgres(t)
  const { url, log } = await server(t, { DATABASE_URL: postgres.url })
  const user = browser()
  await signIn(user, url)
  await run(postgres.directUrl, [
    `CREATE TABLESPACE small LOCATION '${disk.folder}'`, 'ALTER TABLE session SET TABLESPACE small'
  ])
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
  log.length = 0

  disk.fill()
  const statuses = new Set<number>()
  for (let i = 0; i < 40; i++) {
    statuses.add(await login(url))
  }
  t.ok(statuses.has(503), [...statuses].join())
  t.same(await ready(url), { status: 200, body: { status: 'ok', writes: '53100' } })
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200, 'a session is read')
  const [begun, ...more] = linesOf(log, ...WRITE_EDGES)
  t.match(begun, { level: 50, state: '53100', name: 'disk_full', reason: /53100: .*No space left/ })
  t.same(more, [])
  t.same(linesOf(log, ...EDGES), [], 'the database has not failed')

  disk.free()
  t.equal(await login(url), 302)
  await until(() => linesOf(log, WRITE_EDGES[1]).length > 0)
  t.match(linesOf(log, WRITE_EDGES[1]), [{ level: 30 }])
  t.same(await ready(url), { status: 200, body: { status: 'ok' } })
})

test('A database that has become read-only is named, and is not ready', async (t) => {
  const db = await database(t)
  await server(t, { DATABASE_URL: db.url }) // creates the table
  const DATABASE_URL = await withSetting(t, db, 'default_transaction_read_only', 'on')
  const { url, log } = await server(t, { DATABASE_URL })

  t.match(await ready(url), { status: 503 })
  t.equal(await login(url), 503)

  t.match(linesOf(log, 'Not ready'), [{ code: 'ERR_DATABASE', reason: 'the database is read-only' }])
  t.match(linesOf(log, WRITE_EDGES[0]), [{ state: '25006', name: 'read_only_sql_transaction' }])
})
