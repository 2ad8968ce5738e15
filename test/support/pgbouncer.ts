import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../local/free-port.js'
import { accountFor } from '../../local/postgres/unprivileged.js'

/** `TEST_PGBOUNCER`: the tests reach their databases through PgBouncer in transaction mode. */
export const pooled = !['', '0', undefined].includes(process.env['TEST_PGBOUNCER'])

export interface PgBouncer {
  /** The same database through the pooler. */
  through (url: string): string
  close (): Promise<void>
}

/** Time limit of the start, in milliseconds. */
const START_TIMEOUT_MS = 10_000

/**
 * Starts PgBouncer in transaction mode in front of the server of `url`, for this process only. Roles and passwords
 * are the server's. With Debian's configuration it refuses start-up parameters such as `options`.
 */
export async function startPgBouncer (url: string): Promise<PgBouncer> {
  const server = new URL(url)
  const account = accountFor('/nonexistent') // PgBouncer does not run as root
  const folder = mkdtempSync(join(tmpdir(), 'test-pgbouncer-'))
  const file = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    if (account !== undefined) chownSync(path, account.uid, account.gid)
    return path
  }
  if (account !== undefined) chownSync(folder, account.uid, account.gid)
  const users = file('users.txt', `"${server.username}" "${decodeURIComponent(server.password)}"\n`)
  const port = await freePort()
  const settings = file('pgbouncer.ini', `
    [databases]
    * = host=${server.hostname} port=${server.port}
    [pgbouncer]
    listen_addr = 127.0.0.1
    listen_port = ${port}
    unix_socket_dir =
    pool_mode = transaction
    auth_type = scram-sha-256
    auth_file = ${users}
    auth_user = ${server.username}
    max_client_conn = 500
    default_pool_size = 20
    server_idle_timeout = 5
    server_login_retry = 1
    query_wait_timeout = 2
  `.replaceAll(/^ +/gm, ''))
  const child = spawn('pgbouncer', [settings], {
    ...account,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-5000)
    })
  }
  let failure: Error | undefined
  child.once('error', (error) => { failure = error })
  const end = () => { child.kill('SIGKILL') }
  process.once('exit', end)
  const running = () => child.exitCode === null && child.signalCode === null && failure === undefined

  for (const until = Date.now() + START_TIMEOUT_MS; !await answers(port); await sleep(20)) {
    if (!running() || Date.now() > until) {
      throw new Error(`PgBouncer did not start: ${log}`, { cause: failure })
    }
  }
  child.unref()
  for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref (): void }).unref()
  return {
    through: (direct) => Object.assign(new URL(direct), { port: String(port) }).href,
    async close () {
      process.removeListener('exit', end)
      child.ref()
      if (running()) {
        end()
        await once(child, 'exit')
      }
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function answers (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
