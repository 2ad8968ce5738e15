import { execFileSync, type ChildProcess } from 'node:child_process'
import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from '../local/free-port.js'
import { accountFor } from '../local/postgres/unprivileged.js'
import { family, hasEnded, signalAll, start, stop, until } from './processes.js'

/** The folder of PostgreSQL's programs, `pg_basebackup` among them. Default: Debian's package. */
export const BIN = process.env.POSTGRES_BIN ?? '/usr/lib/postgresql/15/bin'

/** As deploy/postgres/init.sql makes the role. */
export const SET_UP = [
  'CREATE ROLE cashsouk_auth LOGIN',
  'ALTER ROLE cashsouk_auth SET statement_timeout = \'2500ms\'',
  'ALTER ROLE cashsouk_auth SET lock_timeout = \'1500ms\'',
  'ALTER ROLE cashsouk_auth SET idle_in_transaction_session_timeout = \'4s\'',
  'CREATE DATABASE cashsouk_auth OWNER cashsouk_auth'
]

export interface Postgres {
  port: number
  dataDir: string
  /** As the superuser. */
  query (text: string): Promise<Record<string, unknown>[]>
  start (): Promise<void>
  /** Kills all of its processes at once. */
  kill (): Promise<void>
  freeze (): void
  thaw (): void
  stop (): Promise<void>
}

const account = accountFor('/nonexistent')

/** A folder that PostgreSQL's user owns. */
export function ownFolder (path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (account !== undefined) chownSync(path, account.uid, account.gid)
  return path
}

/** A new cluster with the role and the database of the server. Changes are durable, as in production. */
export async function createPostgres (folder: string, settings: string[] = []): Promise<Postgres> {
  const dataDir = join(ownFolder(folder), 'data')
  run('initdb', ['-D', dataDir, '--username=postgres', '--auth=trust', '--no-sync', '--no-instructions'], folder)
  const postgres = await serverOf(folder, dataDir, settings)
  for (const statement of SET_UP) await postgres.query(statement)
  return postgres
}

/** A streaming standby of `primary`. */
export async function createStandby (folder: string, primary: Postgres, name: string): Promise<Postgres> {
  const dataDir = join(ownFolder(folder), `data-${name}`)
  run('pg_basebackup', [
    '-d', `host=127.0.0.1 port=${primary.port} user=postgres application_name=${name}`,
    '-D', dataDir, '-R', '-X', 'stream', '-c', 'fast', '--no-sync'
  ], folder)
  return await serverOf(folder, dataDir, [])
}

async function serverOf (folder: string, dataDir: string, settings: string[]): Promise<Postgres> {
  const port = await freePort()
  const flags = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings].flatMap((one) => ['-c', one])
  let child: ChildProcess | undefined
  const postgres: Postgres = {
    port,
    dataDir,
    async query (text) {
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', connectionTimeoutMillis: 5000 })
      client.on('error', () => {})
      try {
        await client.connect()
        const { rows } = await client.query(text) as { rows: Record<string, unknown>[] }
        return rows
      } finally {
        client.end().catch(() => {})
      }
    },
    async start () {
      const started = start(join(BIN, 'postgres'), ['-D', dataDir, '-p', String(port), ...flags], {
        ...account, cwd: folder, env: { LC_ALL: 'C' }
      })
      child = started.child
      await until('PostgreSQL starts', async () => {
        if (hasEnded(started.child)) throw new Error(`PostgreSQL has ended: ${started.log()}`)
        return await postgres.query('SELECT 1').then(() => true, () => false)
      })
    },
    async kill () {
      if (child === undefined) return
      const pids = family(child.pid ?? NaN)
      signalAll(pids, 'SIGKILL')
      await stop(child, 'SIGKILL')
    },
    freeze () { signalAll(family(child?.pid ?? NaN), 'SIGSTOP') },
    thaw () { signalAll(family(child?.pid ?? NaN), 'SIGCONT') },
    async stop () { if (child !== undefined) await stop(child, 'SIGINT') }
  }
  await postgres.start()
  return postgres
}

function run (program: string, args: string[], cwd: string): void {
  execFileSync(join(BIN, program), args, { ...account, cwd, env: { LC_ALL: 'C' }, timeout: 60_000, stdio: 'pipe' })
}
