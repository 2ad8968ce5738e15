import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startPostgres } from '../../local/postgres/index.js'
import { ended } from '../../local/postgres/processes.js'
import { testBinaries } from './binaries.js'
import { pooled, startPgBouncer } from './pgbouncer.js'

export interface StoppablePostgres {
  /** Stays the same after a restart. */
  readonly url: string
  /** The same database, always without a pooler. */
  readonly directUrl: string
  /** Shuts the server down and disconnects its clients. Committed data is kept. */
  stop (): Promise<void>
  /** Sends SIGKILL to all processes of the server at once. Committed data is kept. */
  kill (): Promise<void>
  /** Sends SIGSTOP to all processes of the server: connections stay open without answers. */
  freeze (): void
  thaw (): void
  /** Starts again after `stop` or `kill`, with the same data and port. */
  start (): Promise<void>
}

/**
 * A server for one test, which the test can stop. It is removed with its data at the end of the test.
 * `TEST_POSTGRES_BIN` selects its programs; with `TEST_PGBOUNCER`, a pooler in front of it keeps running.
 */
export async function stoppablePostgres (t: Test): Promise<StoppablePostgres> {
  const dataDir = mkdtempSync(join(tmpdir(), 'stoppable-postgres-'))
  const options = { dataDir, durable: false, ...testBinaries() }
  let server = await startPostgres({ ...options, port: 0 })
  const { port } = server
  const pgbouncer = pooled ? await startPgBouncer(server.url) : undefined
  const url = pgbouncer?.through(server.url) ?? server.url

  const postgres: StoppablePostgres = {
    url,
    directUrl: server.url,
    stop: () => server.close(),
    async kill () {
      const pids = freeze(server.pid) // so that no process starts meanwhile
      send('SIGKILL', pids)
      for (const pid of pids) {
        if (!(await ended(pid, 5000))) throw new Error(`process ${pid} is alive after SIGKILL`)
      }
      await server.close()
    },
    freeze () { freeze(server.pid) },
    thaw () { send('SIGCONT', family(server.pid)) },
    async start () {
      server = await startPostgres({ ...options, port })
      if (server.port !== port) throw new Error(`port ${port} was taken meanwhile`)
    }
  }
  t.teardown(async () => {
    postgres.thaw()
    await pgbouncer?.close()
    await postgres.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return postgres
}

/** Stops the postmaster first, so that it starts no more children. */
function freeze (postmaster: number): number[] {
  send('SIGSTOP', [postmaster])
  const pids = family(postmaster)
  send('SIGSTOP', pids)
  return pids
}

function send (signal: NodeJS.Signals, pids: number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err
    }
  }
}

/** The postmaster and its children. */
function family (postmaster: number): number[] {
  return [postmaster, ...parents().filter(([, parent]) => parent === postmaster).map(([pid]) => pid)]
}

/** Each process with its parent. Slim images have no `ps`. */
function parents (): [pid: number, parent: number][] {
  if (process.platform !== 'linux') {
    const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8', timeout: 5000 })
    return table.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  }
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid): [number, number][] => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      return [[Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])]]
    } catch {
      return [] // it has just ended
    }
  })
}
