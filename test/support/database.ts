/**
 * A database for each test, on one server for all test files. A used database is emptied and kept for the
 * next test, because creating one takes ten times as long.
 *
 * Every process with tests registers as a user of the server in `.data/test-postgres`. The first one starts
 * the server, and the last one stops it.
 *
 * `TEST_POSTGRES_BIN` is the folder of another PostgreSQL's programs. With `TEST_PGBOUNCER` the code under
 * test reaches its database through PgBouncer in transaction mode. `TEST_TABLE` is the kind of session table
 * that the tests of the session store run on: see tables.ts.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import pg from 'pg'
import { t as file, type Test } from 'tap'
import { startPostgres, type LocalPostgres } from '../../local/postgres/index.js'
import { testBinaries } from './binaries.js'
import { pooled, startPgBouncer, type PgBouncer } from './pgbouncer.js'
import { root } from './root.js'

/** A test database that is older than a day was left by a run that was killed. */
const MAX_AGE_S = 86_400

interface Cluster { server: LocalPostgres, admin: pg.Pool, pgbouncer: PgBouncer | undefined }

let cluster: Promise<Cluster> | undefined

// Not a teardown of the first test, which ends before the others.
file.teardown(async () => {
  const { admin, server, pgbouncer } = await cluster ?? {}
  await admin?.end()
  await pgbouncer?.close()
  await server?.close()
})

export interface Database {
  /** For the code under test. */
  url: string
  /** The same, never through a pooler. */
  directUrl: string
  /** Runs a statement directly. */
  query (sql: string, params?: unknown[]): Promise<pg.QueryResultRow[]>
}

/** An empty database on the shared server, with a unique name. */
export async function database (t: Test): Promise<Database> {
  const { server, admin, pgbouncer } = await (cluster ??= start())
  const name = uniqueName('test')
  if (!await claimSpare(admin, name)) {
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 STRATEGY file_copy`)
  }
  const directUrl = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  const pool = poolOf(directUrl, 2)
  t.teardown(async () => {
    const isEmpty = !pooled && await empty(pool)
    await pool.end()
    if (!isEmpty || !await rename(admin, name, uniqueName('spare'))) {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    }
  })
  const query: Database['query'] = async (sql, params) => (await pool.query<pg.QueryResultRow>(sql, params)).rows
  return { url: pgbouncer?.through(directUrl) ?? directUrl, directUrl, query }
}

/** A unique name that contains its time in seconds, to recognise old databases. */
function uniqueName (prefix: 'test' | 'spare'): string {
  return `${prefix}_${Math.floor(Date.now() / 1000)}_${randomBytes(6).toString('hex')}`
}

/** Renames a spare database to `name`. False if there is none, or other processes have claimed all. */
async function claimSpare (admin: pg.Pool, name: string): Promise<boolean> {
  const { rows } = await admin.query<{ datname: string }>(
    'SELECT datname FROM pg_database WHERE datname LIKE \'spare\\_%\''
  )
  for (const { datname } of rows) {
    if (await rename(admin, datname, name)) return true
  }
  return false
}

/** False if the database is gone or has a connection. */
async function rename (admin: pg.Pool, from: string, to: string): Promise<boolean> {
  return admin.query(`ALTER DATABASE ${from} RENAME TO ${to}`).then(() => true, () => false)
}

/** Cuts all other connections and drops all schemas. False if the database is not empty afterwards. */
async function empty (pool: pg.Pool): Promise<boolean> {
  const client = await pool.connect()
  try {
    await client.query(CUT_OTHERS)
    await client.query(DROP_SCHEMAS)
    const { rows: [row] } = await client.query<{ clean: boolean }>(IS_CLEAN)
    return row?.clean === true
  } catch {
    return false
  } finally {
    client.release()
  }
}

const CUT_OTHERS = `
  SET lock_timeout = '5s';
  SELECT pg_terminate_backend(pid, 5000)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`

/** One transaction for each schema: together, schemas of partitioned tables need more locks than the server has. */
const DROP_SCHEMAS = `
  DO $$
  DECLARE
    name text;
  BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
      EXECUTE format('DROP SCHEMA %I CASCADE', name);
      COMMIT;
    END LOOP;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
  END $$`

/** Checks for objects outside of schemas and for settings of the database. */
const IS_CLEAN = `
  SELECT datacl IS NULL
      AND NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = pg_database.oid)
      AND NOT EXISTS (SELECT FROM pg_default_acl)
      AND NOT EXISTS (SELECT FROM pg_event_trigger)
      AND NOT EXISTS (SELECT FROM pg_publication)
      AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)
      AND NOT EXISTS (SELECT FROM pg_extension WHERE extname <> 'plpgsql') AS clean
    FROM pg_database
    WHERE datname = current_database()`

/** The URL of `db` for connections that start with `setting` at `value`. */
export async function withSetting (
  t: Test, db: Pick<Database, 'url' | 'query'>, setting: string, value: string
): Promise<string> {
  if (!pooled) return `${db.url}?options=${encodeURIComponent(`-c ${setting}=${value.replaceAll(/[\\ ]/g, '\\$&')}`)}`
  // PgBouncer does not accept `options`, so a role has the setting.
  const role = `role_${randomBytes(6).toString('hex')}`
  const literal = value.split(',').map((part) => pg.escapeLiteral(part)).join()
  await db.query(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD 'test'; ALTER ROLE ${role} SET ${setting} = ${literal}`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  return Object.assign(new URL(db.url), { username: role, password: 'test' }).href
}

async function start (): Promise<Cluster> {
  const { binaries } = testBinaries()
  const folder = `.data/test-postgres${binaries === undefined ? '' : `-${parseInt(binaries.version)}`}`
  const server = await startPostgres({
    dataDir: join(root, folder), durable: false, ...(binaries === undefined ? {} : { binaries })
  })
  const admin = poolOf(server.url, 2)
  const { rows } = await admin.query<{ datname: string }>(
    'SELECT datname FROM pg_database WHERE datname LIKE \'test\\_%\' AND split_part(datname, \'_\', 2)::bigint < $1',
    [Math.floor(Date.now() / 1000) - MAX_AGE_S]
  )
  for (const { datname } of rows) await admin.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`)
  return { server, admin, pgbouncer: pooled ? await startPgBouncer(server.url) : undefined }
}

/** A pool that does not keep the process alive, and does not end it when a test stops the server. */
function poolOf (connectionString: string, max: number): pg.Pool {
  return new pg.Pool({ connectionString, max, allowExitOnIdle: true, connectionTimeoutMillis: 10_000 })
    .on('error', () => {})
}
