/** Finds, starts and stops the server process of a cluster. Callers must hold the lock. @module */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../free-port.js'
import type { Binaries } from './binaries.js'
import { dataPath, inside, type Runner } from './cluster.js'
import { LocalPostgresError, oneLine, OR_YOUR_OWN } from './error.js'
import type { Paths } from './paths.js'
import { ended, isAlive, isPostmaster } from './processes.js'

export interface Server {
  /** Process id of the postmaster, the parent of the server's other processes. */
  pid: number
  port: number
  /** Whether it has finished starting. */
  ready: boolean
}

/** A server must accept connections by then. */
export const START_TIMEOUT_MS = 30_000

/** After this, a server that was asked to shut down fast is asked to shut down immediately. */
const FAST_STOP_TIMEOUT_MS = 8_000
const IMMEDIATE_STOP_TIMEOUT_MS = 2_000

const START_RETRY_MS = 50
const READY_POLL_MS = 10
const PG_CTL_TIMEOUT_MS = 5000

/** The server that runs on the cluster, if any, no matter which process started it. */
export function findServer (paths: Paths): Server | undefined {
  const server = readPidFile(paths)
  return server && isPostmaster(server.pid, paths.cluster) ? server : undefined
}

/**
 * Starts the server and waits until it is ready.
 *
 * The server runs detached: Ctrl-C does not reach it, and it does not keep this process alive.
 *
 * @param port used if it is free, otherwise any free port is.
 * @throws {LocalPostgresError} with the last lines of the server's log.
 */
export async function startServer (runner: Runner, paths: Paths, port: number, durable: boolean): Promise<Server> {
  removeReusedPidFile(paths)
  const end = Date.now() + START_TIMEOUT_MS
  let preferred = port
  for (;;) {
    const result = await attempt(runner, paths, { port: await freePort(preferred), durable, end })
    if (typeof result !== 'string') return result
    const portWasTaken = /could not bind/.test(result)
    if (portWasTaken) preferred = 0
    // A postmaster was killed, and its children or its lock file have not gone yet.
    const isEnding = /still in use|lock file .* already exists/.test(result)
    if ((!portWasTaken && !isEnding) || Date.now() > end) throw failed(paths, result)
    await sleep(START_RETRY_MS)
  }
}

/** Stops the server: cuts open connections and keeps committed data. */
export async function stopServer (binaries: Binaries, paths: Paths): Promise<void> {
  const server = findServer(paths)
  if (!server) return
  signal(binaries, server.pid, 'INT')
  if (await ended(server.pid, FAST_STOP_TIMEOUT_MS)) return
  signal(binaries, server.pid, 'QUIT')
  if (await ended(server.pid, IMMEDIATE_STOP_TIMEOUT_MS)) return
  throw new LocalPostgresError(`The local PostgreSQL in ${paths.dataDir} does not stop: ` +
    `end process ${server.pid} yourself (kill -9 ${server.pid})`)
}

interface Attempt {
  port: number
  durable: boolean
  /** Milliseconds since the epoch. */
  end: number
}

/** @returns the server, or its last log lines if it did not start. */
async function attempt (
  { binaries, account }: Runner, paths: Paths, { port, durable, end }: Attempt
): Promise<Server | string> {
  const log = openLog(paths)
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // PostgreSQL refuses a path of more than about 100 characters
    max_connections: '200',
    // In development, `expire` is compared with `now()` by hand. Tests set a zone of their own.
    ...(durable ? { timezone: 'UTC' } : { fsync: 'off', full_page_writes: 'off' })
  }
  const child = spawn(binaries.postgres, [
    '-D', dataPath(account, paths.cluster), '-p', String(port),
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  ], { ...inside(account, paths.cluster), detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.unref()
  let failure = ''
  child.once('error', ({ message }) => { failure = message })

  while (child.exitCode === null && child.signalCode === null && !failure) {
    const server = readPidFile(paths)
    if (server?.pid === child.pid && server?.ready) return server
    if (Date.now() > end) {
      child.kill('SIGQUIT')
      return `not ready after ${START_TIMEOUT_MS / 1000} s: ${lastLines(paths)}`
    }
    await sleep(READY_POLL_MS)
  }
  return failure || lastLines(paths)
}

function failed (paths: Paths, reason: string): LocalPostgresError {
  return new LocalPostgresError(`The local PostgreSQL in ${paths.dataDir} did not start (${reason}): ` +
    `fix that, or remove the folder to start over, ${OR_YOUR_OWN}`)
}

/**
 * Lines of `postmaster.pid`: first the pid, 4th the port, 8th the state.
 *
 * @see {@link https://www.postgresql.org/docs/18/storage-file-layout.html}
 */
function readPidFile (paths: Paths): Server | undefined {
  try {
    const [pid, , , port, , , , state] = readFileSync(join(paths.cluster, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(pid), port: Number(port), ready: state?.trim() === 'ready' }
  } catch {
    return undefined // there is no server, or it is just starting or ending
  }
}

/**
 * PostgreSQL ignores a stale `postmaster.pid` if the process is gone, but not if its id now belongs to another
 * program of the same user, as may happen after the machine was restarted.
 */
function removeReusedPidFile (paths: Paths): void {
  const server = readPidFile(paths)
  if (server === undefined || !isAlive(server.pid) || isPostmaster(server.pid, paths.cluster)) return
  rmSync(join(paths.cluster, 'postmaster.pid'))
}

/** Windows has no signals, so PostgreSQL emulates them there with `pg_ctl kill`. */
function signal ({ pgCtl }: Binaries, pid: number, name: 'INT' | 'QUIT'): void {
  if (process.platform === 'win32') {
    spawnSync(pgCtl, ['kill', name, String(pid)], { timeout: PG_CTL_TIMEOUT_MS, windowsHide: true })
  } else {
    process.kill(pid, `SIG${name}`)
  }
}

function openLog (paths: Paths): number {
  if (statSync(paths.log, { throwIfNoEntry: false })) renameSync(paths.log, `${paths.log}.1`)
  return openSync(paths.log, 'a', 0o600)
}

function lastLines (paths: Paths): string {
  const log = readFileSync(paths.log, 'utf8').replaceAll(/^\S+ \S+ \S+ \[\d+\] /gm, '') // without time and pid
  return oneLine(log, 3)
}
