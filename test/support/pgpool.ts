import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { accountFor } from '../../local/postgres/unprivileged.js'

/** Time limit of each program's start, in milliseconds. */
const START_TIMEOUT_MS = 20_000

export interface PgPool {
  /** The database through pgpool-II. */
  url: string
  primaryUrl: string
  standbyUrl: string
}

/**
 * A primary, a streaming standby that is `delayMs` behind, and pgpool-II in front of them, which sends to the standby
 * every statement that it takes for a read. They end with the test.
 *
 * @param bin the folder of PostgreSQL's programs.
 */
export async function startPgPool (t: Test, bin: string, delayMs: number): Promise<PgPool> {
  const account = accountFor('/nonexistent') // none of them runs as root
  const folder = mkdtempSync(join(tmpdir(), 'test-pgpool-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  if (account !== undefined) chownSync(folder, account.uid, account.gid)
  const [primary, standby] = [join(folder, 'primary'), join(folder, 'standby')]
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin`, LC_ALL: 'C' }
  const options = { ...account, cwd: folder, env, timeout: 0 }
  const finish = (program: string, args: string[]) => {
    execFileSync(join(bin, program), args, { ...options, timeout: START_TIMEOUT_MS, stdio: 'pipe' })
  }
  const start = async (program: string, args: string[], port: number): Promise<string> => {
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => { log = (log + chunk.toString()).slice(-5000) })
    }
    let failure: Error | undefined
    child.once('error', (error) => { failure = error })
    t.teardown(() => end(child))
    for (const until = Date.now() + START_TIMEOUT_MS; !await answers(url); await sleep(50)) {
      if (child.exitCode !== null || failure !== undefined || Date.now() > until) {
        throw new Error(`${program} did not start: ${log}`, { cause: failure })
      }
    }
    return url
  }
  const postgres = async (data: string, settings: string[]) => {
    const port = await freePort()
    const common = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
    const flags = [...common, ...settings].flatMap((setting) => ['-c', setting])
    return start(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...flags], port)
  }

  finish('initdb', ['-D', primary, '--username=postgres', '--auth=trust', '--no-sync', '--no-instructions'])
  const primaryUrl = await postgres(primary, [])
  finish('pg_basebackup', ['-d', primaryUrl, '-D', standby, '-R', '-X', 'stream', '-c', 'fast', '--no-sync'])
  const standbyUrl = await postgres(standby, [`recovery_min_apply_delay=${delayMs}ms`])

  const port = await freePort()
  const files = Object.entries({
    'pgpool.conf': `
      backend_clustering_mode = 'streaming_replication'
      backend_hostname0 = '127.0.0.1'
      backend_port0 = ${new URL(primaryUrl).port}
      backend_weight0 = 0
      backend_hostname1 = '127.0.0.1'
      backend_port1 = ${new URL(standbyUrl).port}
      backend_weight1 = 1
      load_balance_mode = on
      num_init_children = 16
      sr_check_user = 'postgres'
      listen_addresses = '127.0.0.1'
      port = ${port}
      pcp_port = ${await freePort()}
      socket_dir = '${folder}'
      pcp_socket_dir = '${folder}'
      wd_ipc_socket_dir = '${folder}'
      pid_file_name = '${folder}/pgpool.pid'
      logdir = '${folder}'`,
    'pcp.conf': ''
  }).map(([name, content]) => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  })
  const url = await start('pgpool', ['-n', '-D', '-f', files[0] ?? '', '-F', files[1] ?? ''], port)
  return { url, primaryUrl, standbyUrl }
}

/** PostgreSQL and pgpool-II end their own processes when they are asked to. */
async function end (child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  await Promise.race([ended, sleep(5000, undefined, { ref: false })])
  child.kill('SIGQUIT')
  await ended
}

async function answers (url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000, query_timeout: 2000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    client.end().catch(() => {})
  }
}
