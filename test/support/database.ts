/**
 * A database for each test, on one server for all test files.
 *
 * Every test file is a process that uses the server in `.data/test-postgres` and says so, from its first
 * database to its end; the last one stops it. Nothing has to be started before the tests.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { t as file, type Test } from 'tap'
import { startPostgres, type LocalPostgres } from '../../local/postgres/index.js'

/** A day: a test database that is older was left behind by a run that was killed. In seconds. */
const LEFT_BEHIND = 86_400

interface Cluster { server: LocalPostgres, admin: pg.Pool }

let cluster: Promise<Cluster> | undefined

// Not in the first test: it ends before the others do.
file.teardown(async () => {
  const { admin, server } = await cluster ?? {}
  await admin?.end()
  await server?.close()
})

/** A new empty database on the shared test cluster, dropped (WITH FORCE) at the end of the test. */
export async function database (t: Test): Promise<{ url: string, query (sql: string, params?: unknown[]): Promise<pg.QueryResultRow[]> }> {
  const { server, admin } = await (cluster ??= start())
  const name = `test_${Math.floor(Date.now() / 1000)}_${randomBytes(6).toString('hex')}`
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 STRATEGY file_copy`) // 13 ms; wal_log: 19 ms
  const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  const pool = poolOf(url, 2)
  t.teardown(async () => {
    await pool.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
  })
  return { url, query: async (sql, params) => (await pool.query<pg.QueryResultRow>(sql, params)).rows }
}

async function start (): Promise<Cluster> {
  const server = await startPostgres({ dataDir: fileURLToPath(new URL('../../.data/test-postgres', import.meta.url)), durable: false })
  const admin = poolOf(server.url, 2)
  const { rows } = await admin.query<{ datname: string }>(
    'SELECT datname FROM pg_database WHERE datname LIKE \'test\\_%\' AND split_part(datname, \'_\', 2)::bigint < $1',
    [Math.floor(Date.now() / 1000) - LEFT_BEHIND]
  )
  for (const { datname } of rows) await admin.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`)
  return { server, admin }
}

/** A pool that neither keeps the process alive nor ends it when a test takes the server away. */
function poolOf (connectionString: string, max: number): pg.Pool {
  return new pg.Pool({ connectionString, max, allowExitOnIdle: true, connectionTimeoutMillis: 10_000 }).on('error', () => {})
}
