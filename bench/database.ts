/**
 * The PostgreSQL of one run, with counters. Its data is deleted at the end.
 *
 * @module
 */
import { totalmem } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startPostgres } from '../local/postgres/index.js'
import { cpuSeconds } from './machine.js'
import { ID_SQL } from './sample.js'

export interface BenchDatabase {
  version: string
  /** An empty database for one contestant. */
  create (): Promise<Table>
  /** CPU seconds so far. */
  cpu (): number
  /** Bytes of WAL so far. */
  wal (): Promise<number>
  close (): Promise<void>
}

/** A contestant's database, and the table `session` in it. */
export interface Table {
  url: string
  /** Empties the table after a checkpoint, so that the next writes cause no full-page images of old pages. */
  empty (): Promise<void>
  /** Copies session 0 as sessions 1 to `count`; `expired`: with an expiry about an hour ago. */
  fill (count: number, expired: boolean): Promise<void>
  /** Bytes on disk, with indexes. */
  size (): Promise<number>
  rows (): Promise<number>
  /** Statements that clients have sent since `countStatements(true)`. */
  statements (): Promise<number>
  countStatements (on: boolean): Promise<void>
  close (): Promise<void>
}

/** A quarter of the memory, as PostgreSQL's documentation recommends, but no more than the benchmark needs. */
const SHARED_BUFFERS_MIB = Math.min(1024, Math.floor(totalmem() / 2 ** 20 / 4))

const SETTINGS = {
  'shared_preload_libraries': 'pg_stat_statements',
  'pg_stat_statements.track': 'none', // on only while statements are counted, which is not timed
  'shared_buffers': `${SHARED_BUFFERS_MIB}MB`,
  // No automatic checkpoint: it would slow down the contestant that happens to be measured.
  'max_wal_size': '16GB',
  'checkpoint_timeout': '1d'
}

export async function startDatabase (folder: string): Promise<BenchDatabase> {
  const options = { dataDir: join(folder, 'postgres'), durable: true, port: 0 }
  await configure(options)
  const server = await startPostgres(options)
  const admin = new pg.Pool({ connectionString: server.url, max: 1 }).on('error', () => {})
  await admin.query('ALTER SYSTEM SET pg_stat_statements.track = \'none\'')
  await admin.query('SELECT pg_reload_conf()')
  let databases = 0
  return {
    version: await value(admin, 'SHOW server_version'),
    async create () {
      const name = `bench_${++databases}`
      await admin.query(`CREATE DATABASE ${name}`)
      return openTable(Object.assign(new URL(server.url), { pathname: `/${name}` }).href)
    },
    cpu: () => cpuSeconds(server.pid),
    wal: async () => Number(await value(admin, 'SELECT pg_current_wal_insert_lsn() - \'0/0\'')),
    async close () {
      await admin.end()
      await server.close()
    }
  }
}

/** Writes the settings that need a restart. */
async function configure (options: Parameters<typeof startPostgres>[0]): Promise<void> {
  const server = await startPostgres(options)
  const client = new pg.Client(server.url)
  await client.connect()
  for (const [name, setting] of Object.entries(SETTINGS)) {
    // A setting of a library can be set only once the library is loaded.
    if (!name.includes('.')) await client.query(`ALTER SYSTEM SET ${name} = '${setting}'`)
  }
  await client.end()
  await server.close()
}

async function openTable (url: string): Promise<Table> {
  // If the run fails, the server may be stopped before this pool.
  const pool = new pg.Pool({ connectionString: url, max: 1 }).on('error', () => {})
  await pool.query('CREATE EXTENSION pg_stat_statements')
  return {
    url,
    async empty () {
      await pool.query('CHECKPOINT')
      await pool.query(`DO $$ BEGIN
        IF to_regclass('session') IS NOT NULL THEN
          TRUNCATE session;
        END IF;
      END $$`)
    },
    async fill (count, expired) {
      await copySession0(pool, count, expired)
      await pool.query('VACUUM ANALYZE session')
      await pool.query('CHECKPOINT')
    },
    size: async () => Number(await value(pool, 'SELECT pg_total_relation_size(\'session\')')),
    rows: async () => Number(await value(pool, 'SELECT count(*) FROM session')),
    async countStatements (on) {
      await pool.query(`ALTER SYSTEM SET pg_stat_statements.track = '${on ? 'top' : 'none'}'`)
      await pool.query('SELECT pg_reload_conf(), pg_stat_statements_reset()')
    },
    statements: async () => Number(await value(pool, `SELECT coalesce(sum(calls), 0)
      FROM pg_stat_statements
      WHERE toplevel
        AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND query NOT LIKE '%pg_stat_statements%'`)),
    close: () => pool.end()
  }
}

/** Copies every column, including those that only one of the stores has. */
async function copySession0 (pool: pg.Pool, count: number, expired: boolean): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(`SELECT quote_ident(column_name) AS name
    FROM information_schema.columns
    WHERE table_name = 'session'
      AND is_generated = 'NEVER'
    ORDER BY ordinal_position`)
  const columns = rows.map(({ name }) => name)
  const changed: Record<string, string> = {
    sid: ID_SQL,
    ...(expired ? { expire: 'expire - interval \'2 days\' + random() * interval \'1 hour\'' } : {})
  }
  await pool.query(`INSERT INTO session (${columns.join()})
    SELECT ${columns.map((name) => changed[name] ?? name).join()}
    FROM (SELECT * FROM session LIMIT 1) AS one, generate_series(1, $1::int) AS n
    ON CONFLICT DO NOTHING`, [count])
}

/** The only value of the only row. */
async function value (pool: pg.Pool, sql: string): Promise<string> {
  const { rows: [row = {}] } = await pool.query<Record<string, string>>(sql)
  return Object.values(row)[0] ?? ''
}
