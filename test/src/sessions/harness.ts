import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { t as file, type Test } from 'tap'
import type { SessionData } from '../../../src/sessions/types.js'
import { PgSessionStore, type PgSessionStoreOptions } from '../../../src/sessions/store.js'
import { database, withSetting, type Database } from '../../support/database.js'
import type * as scenarios from './scenarios.js'
import { moduleUrl, nodeOptions } from '../../support/root.js'
import { makeTable, testTable } from '../../support/tables.js'
import { until } from '../../support/until.js'

export interface Db {
  url: string
  query: (sql: string, params?: unknown[]) => Promise<Record<string, unknown>[]>
}

let ofThisFile: Promise<Database> | undefined
let schemas = 0

/**
 * A schema as the only one in the search path, with the empty table of `TEST_TABLE`. Quicker than a
 * database for each test.
 *
 * @param options `table: false` for a test that is about creating the table, or makes its own.
 */
export async function schema (t: Test, options: { table?: boolean } = {}): Promise<Db> {
  const whole = await (ofThisFile ??= database(file))
  const name = `test_${++schemas}`
  await whole.query(`CREATE SCHEMA ${name}`)
  const url = await withSetting(t, whole, 'search_path', name)
  const pool = poolOf(t, `${whole.directUrl}?options=-c%20search_path%3D${name}`, { max: 2 })
  const query: Db['query'] = async (sql, params) =>
    (await pool.query<Record<string, unknown>>(sql, params)).rows
  if (options.table !== false) await makeTable(query)
  return { url, query }
}

/** The database with the empty table of `TEST_TABLE` in it. */
export async function withTable<Db extends { directUrl: string }> (db: Db): Promise<Db> {
  const client = new pg.Client(db.directUrl)
  await client.connect()
  try {
    await makeTable((sql) => client.query(sql))
  } finally {
    await client.end()
  }
  return db
}

/** The current time, in the type of `expire` of the table of `TEST_TABLE`. */
export const NOW = testTable === 'timestamptz' ? 'now()' : 'timezone(\'utc\', now())'

/** The store, closed with the test, and its methods as promises. It prunes only on request. */
export function sessions (t: Test, options: PgSessionStoreOptions) {
  const logged: { message: string, error: unknown }[] = []
  const store = new PgSessionStore({
    pruneSessionInterval: false,
    errorLog: (message, error) => { logged.push({ message, error }) },
    ...options
  })
  t.teardown(() => store.close())
  return { store, logged, ...promised(store) }
}

/** A pool like an application's, closed with the test. */
export function poolOf (t: Test, url: string, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, ...options }).on('error', () => {})
  t.teardown(() => pool.end())
  return pool
}

export function promised (store: PgSessionStore) {
  return {
    ...store.promises,
    get: store.promises.get as (id: string) => Promise<SessionData | null>,
    /** The session of this id. Rejects if there is none. */
    load: async (id: string): Promise<SessionData> => {
      const session = await store.promises.get(id)
      if (session === null) throw new Error(`no session ${id}`)
      return session
    }
  }
}

/** A new session whose cookie lives for `maxAge` seconds, or until the browser is closed. */
export function session (content: Record<string, unknown> = {}, maxAge?: number): SessionData {
  const cookie = maxAge === undefined
    ? { originalMaxAge: null, expires: null }
    : { originalMaxAge: maxAge * 1000, expires: new Date(Date.now() + maxAge * 1000) }
  return { cookie, ...content }
}

export interface StoredRow {
  sid: string
  sess: string
  /** Seconds until it expires, with `expire` read as UTC. */
  left: number
  /** Changes with every write. */
  xmin: string
}

/** What PostgreSQL gives for a timestamp in UTC, and for a timestamptz, in any `TimeZone`. */
const LEFT = '(extract(epoch FROM expire) - extract(epoch FROM now()))::float8'

/** All rows, ordered by id. */
export async function rows (db: Db, table = 'session'): Promise<StoredRow[]> {
  return await db.query(`
    SELECT sid, sess::text AS sess, xmin::text AS xmin, ${LEFT} AS left
    FROM ${table}
    ORDER BY sid`) as unknown as StoredRow[]
}

/** Sets the expiry of all or some sessions to this many seconds ago. */
export async function age (db: Db, seconds = 1, sid = '%'): Promise<void> {
  await db.query(`
    UPDATE session
    SET expire = expire - (${LEFT} + $1) * interval '1 second'
    WHERE sid LIKE $2`, [seconds, sid])
}

export { pass } from '../../support/pass.js'

/** Holds PostgreSQL's advisory lock 1 until `release`. `waitedFor` resolves when a client waits. */
export async function advisoryLock (t: Test, db: Db): Promise<{
  waitedFor: () => Promise<void>
  release: () => Promise<unknown>
}> {
  const holder = new pg.Client(db.url)
  await holder.connect()
  t.teardown(() => holder.end())
  await holder.query('BEGIN; SELECT pg_advisory_xact_lock(1)')
  const waiting = `
    SELECT FROM pg_locks
    WHERE locktype = 'advisory'
      AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
  return {
    waitedFor: () => until(async () => (await db.query(waiting)).length > 0),
    release: () => holder.query('COMMIT')
  }
}

/** Stops `Date.now` until the test ends. express-session computes a lifetime from two readings. */
export function standStill (t: Test): void {
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
}

/** Whether `value` is within 5 s of `expected`, both in seconds. */
export const about = (value: number | undefined, expected: number): boolean =>
  value !== undefined && Math.abs(value - expected) < 5

/** The result of a function of scenarios.ts in its own process. Rejects if that process fails. */
export async function inProcess<Name extends keyof typeof scenarios> (
  t: Test, name: Name, args: Parameters<typeof scenarios[Name]>[0], env: Record<string, string> = {}
): Promise<Awaited<ReturnType<typeof scenarios[Name]>>> {
  const script = fileURLToPath(moduleUrl('child', import.meta.url))
  const child = spawn(process.execPath, [...nodeOptions, script, name, JSON.stringify(args)], {
    env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  const [code, signal] = await once(child, 'close') as [number | null, string | null]
  if (code !== 0) throw new Error(`the process ended with ${code ?? signal}: ${stderr}`)
  return JSON.parse(stdout) as Awaited<ReturnType<typeof scenarios[Name]>>
}
