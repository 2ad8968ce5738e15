/** What the look at the database every few seconds finds: another server, another time, no time limits. */
import pg from 'pg'
import { test } from 'tap'
import { browser, reachCallback, signIn } from '../support/browser.js'
import { cuttingProxy } from '../support/cutting-proxy.js'
import { database, withSetting } from '../support/database.js'
import { linesOf } from '../support/log-lines.js'
import { server } from '../support/server.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'
import { until } from '../support/until.js'

/** By how much the database's clock is ahead. */
const SKEW_S = 600
/** More than two looks. */
const PATIENCE_MS = 15_000

async function one (url: string, sql: string): Promise<pg.QueryResultRow | undefined> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows: [row] } = await client.query<pg.QueryResultRow>(sql)
  await client.end()
  return row
}

test('Once new connections lead to another server, the former one gets no statement, although it lives', async (t) => {
  const [former, successor] = [await stoppablePostgres(t), await stoppablePostgres(t)]
  const { password } = new URL(former.directUrl)
  await one(successor.directUrl, `ALTER ROLE postgres PASSWORD '${decodeURIComponent(password)}'`)
  const successorUrl = Object.assign(new URL(successor.directUrl), { password }).href
  const proxy = await cuttingProxy(t, former.directUrl)
  const { url, log } = await server(t, { DATABASE_URL: proxy.url })
  const count = async (server: string) =>
    Number((await one(server, 'SELECT count(*) FROM session WHERE sid NOT LIKE \'shared.%\''))?.['count'])
  await signIn(browser(), url)
  t.equal(await count(former.directUrl), 1)
  const NEWS = 'New connections lead to another database server; the former ones are given up'

  // The first look must have seen the former server.
  await new Promise((resolve) => { setTimeout(resolve, 3000) })
  proxy.lead(successorUrl)
  await until(() => linesOf(log, NEWS).length > 0, PATIENCE_MS)
  await signIn(browser(), url)

  t.equal(await count(successorUrl), 1)
  t.equal(await count(former.directUrl), 1)
  t.equal(linesOf(log, NEWS).length, 1)
})

test('Clocks that differ are told once, by the probe, and where an ID token is refused', async (t) => {
  const db = await database(t)
  await db.query(`
    CREATE TABLE clock_shift AS SELECT ${SKEW_S} AS s;
    CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
      'SELECT pg_catalog.clock_timestamp() + (SELECT s FROM public.clock_shift) * interval ''1 second'''`)
  const setup = await server(t, { DATABASE_URL: await withSetting(t, db, 'search_path', 'public,pg_catalog') })
  const { url, log } = setup
  const ready = async () => await (await fetch(`${url}/health/ready`)).json() as Record<string, unknown>
  const differ = 'The clocks of this instance and of the database differ'
  await until(() => linesOf(log, differ).length > 0, PATIENCE_MS)
  const [line] = linesOf(log, differ)
  t.match(line, { level: 40, reason: /the clock of this instance is (599|600|601) s behind the database's/ })
  const { status, clockSkewSeconds } = await ready()
  t.equal(status, 'ok')
  t.ok(Math.abs(Number(clockSkewSeconds) + SKEW_S) <= 1, String(clockSkewSeconds))

  const user = browser()
  const { callbackUrl } = await reachCallback(user, url)
  setup.cognito.fault({
    idToken: (claims, header) => ({ claims: { ...claims, iat: Math.floor(Date.now() / 1000) + SKEW_S }, header })
  })
  t.equal((await user.get(callbackUrl, { redirect: 'manual' })).status, 401)
  t.match(linesOf(log, 'Request failed'), [{ level: 40, code: 'ERR_ID_TOKEN', cause: /future; the clock of this/ }])

  await db.query('UPDATE clock_shift SET s = 0')
  const agree = 'The clocks of this instance and of the database agree again'
  await until(() => linesOf(log, agree).length > 0, PATIENCE_MS)
  t.same(await ready(), { status: 'ok' })
  t.equal(linesOf(log, differ, agree).length, 2)
})

test('The time limits that the role lacks are named at the start in production', async (t) => {
  const db = await database(t)
  const production = { NODE_ENV: 'production', HOST: '127.0.0.1' }
  const without = await server(t, { ...production, DATABASE_URL: db.url })
  const message = 'The database role has no time limits: a lock can take every connection'
  await until(() => linesOf(without.log, message).length > 0, PATIENCE_MS)
  t.match(linesOf(without.log, message), [{
    level: 40, missing: ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']
  }])

  const some = await server(t, {
    ...production, DATABASE_URL: await withSetting(t, db, 'statement_timeout', '2500')
  })
  await until(() => linesOf(some.log, message).length > 0, PATIENCE_MS)
  t.same(linesOf(some.log, message)[0]?.['missing'], ['lock_timeout', 'idle_in_transaction_session_timeout'])
})
