/**
 * The PostgreSQL of the run, which goes with it, and what it counts.
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
  /** A database of its own, empty, for one contestant. */
  create (name: string): Promise<Table>
  /** Seconds of the processor's time so far. */
  cpu (): number
  /** Bytes of WAL so far. */
  wal (): Promise<number>
  checkpoint (): Promise<void>
  close (): Promise<void>
}

/** A contestant's database, and the table `session` in it. */
export interface Table {
  url: string
  /** Empties the table. What is written next costs no full-page image of an old page. */
  empty (): Promise<void>
  /** Copies the session 0 to the numbers up to `count`; `expired`: as ones that ended an hour ago. */
  fill (count: number, expired: boolean): Promise<void>
  /** Bytes on disk, indexes and all. */
  size (): Promise<number>
  rows (): Promise<number>
  /** Statements that clients sent since this was last asked; counted only between `countStatements(true)` and `(false)`. */
  statements (): Promise<number>
  countStatements (on: boolean): Promise<void>
  close (): Promise<void>
}

/** PostgreSQL's own advice for shared_buffers is a quarter of the memory; more than this is not needed here. */
const SHARED_BUFFERS_MIB = Math.min(1024, Math.floor(totalmem() / 2 ** 20 / 4))

const SETTINGS = {
  'shared_preload_libraries': 'pg_stat_statements',
  'pg_stat_statements.track': 'none', // on for the counting only, which is not timed
  'shared_buffers': `${SHARED_BUFFERS_MIB}MB`,
  // No checkpoint but those that the benchmark asks for: one in somebody's turn would be his bad luck.
  'max_wal_size': '16GB',
  'checkpoint_timeout': '1d'
}

export async function startDatabase (folder: string): Promise<BenchDatabase> {
  const options = { dataDir: join(folder, 'postgres'), durable: true, port: 0 }
  const first = await startPostgres(options)
  const client = new pg.Client(first.url)
  await client.connect()
  for (const [name, value] of Object.entries(SETTINGS)) {
    // The server does not know the library's settings before it has loaded it, but keeps them if they have a dot.
    if (!name.includes('.')) await client.query(`ALTER SYSTEM SET ${name} = '${value}'`)
  }
  await client.end()
  await first.close()

  const server = await startPostgres(options)
  const admin = new pg.Pool({ connectionString: server.url, max: 1 }).on('error', () => {})
  const ask = async (sql: string) => Object.values((await admin.query<Record<string, string>>(sql)).rows[0] ?? {})[0] ?? ''
  await admin.query('ALTER SYSTEM SET pg_stat_statements.track = \'none\'')
  await admin.query('SELECT pg_reload_conf()')
  return {
    version: await ask('SHOW server_version'),
    async create (name) {
      await admin.query(`CREATE DATABASE ${name}`)
      return table(Object.assign(new URL(server.url), { pathname: `/${name}` }).href)
    },
    cpu: () => cpuSeconds(server.pid),
    wal: async () => Number(await ask('SELECT pg_current_wal_insert_lsn() - \'0/0\'')),
    checkpoint: async () => { await admin.query('CHECKPOINT') },
    async close () {
      await admin.end()
      await server.close()
    }
  }
}

async function table (url: string): Promise<Table> {
  // Where the run fails, the server may go first.
  const pool = new pg.Pool({ connectionString: url, max: 1 }).on('error', () => {})
  const number = async (sql: string) => Number(Object.values((await pool.query<Record<string, string>>(sql)).rows[0] ?? {})[0])
  await pool.query('CREATE EXTENSION pg_stat_statements')
  const counted = `SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
    WHERE toplevel AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_statements%'`
  return {
    url,
    async empty () {
      await pool.query('CHECKPOINT')
      await pool.query('DO $$ BEGIN IF to_regclass(\'session\') IS NOT NULL THEN TRUNCATE session; END IF; END $$')
    },
    async fill (count, expired) {
      // Whatever columns the store has added are copied, too.
      const { rows } = await pool.query<{ column_name: string }>(
        'SELECT quote_ident(column_name) AS column_name FROM information_schema.columns WHERE table_name = \'session\' AND is_generated = \'NEVER\' ORDER BY ordinal_position')
      const columns = rows.map(({ column_name: name }) => name)
      const values = columns.map((name) => name === 'sid' ? ID_SQL : name === 'expire' && expired ? 'expire - interval \'2 days\' + random() * interval \'1 hour\'' : name)
      await pool.query(`INSERT INTO session (${columns.join()}) SELECT ${values.join()} FROM (SELECT * FROM session LIMIT 1) AS one, generate_series(1, $1::int) AS n
        ON CONFLICT DO NOTHING`, [count])
      await pool.query('VACUUM ANALYZE session')
      await pool.query('CHECKPOINT')
    },
    size: () => number('SELECT pg_total_relation_size(\'session\')'),
    rows: () => number('SELECT count(*) FROM session'),
    async countStatements (on) {
      await pool.query(`ALTER SYSTEM SET pg_stat_statements.track = '${on ? 'top' : 'none'}'`)
      await pool.query('SELECT pg_reload_conf(), pg_stat_statements_reset()')
    },
    statements: () => number(counted),
    close: () => pool.end()
  }
}
