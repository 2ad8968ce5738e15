/** The server process of a cluster: find it, start it, stop it. All in turn. @module */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Binaries } from './binaries.js'
import { dataPath, inside, type Runner } from './cluster.js'
import { LocalPostgresError, oneLine, OR_YOUR_OWN } from './error.js'
import type { Place } from './place.js'
import { ended, isAlive, isPostmaster } from './processes.js'

export interface Server {
  /** Of the postmaster, the parent of all other processes of the server. */
  pid: number
  port: number
  /** Whether it has finished starting. */
  ready: boolean
}

/** Longest wait for a server to accept connections, in milliseconds. */
export const START = 30_000

/** How long a server may take to stop, in milliseconds: in good order, then in disorder. */
const STOP = [8_000, 2_000] as const

/** The server that runs on the cluster, if one does, whoever started it. */
export function findServer (place: Place): Server | undefined {
  const server = readPidFile(place)
  return server && isPostmaster(server.pid, place.cluster) ? server : undefined
}

/**
 * Starts the server and waits until it is ready.
 *
 * It lives in a session of its own, where no Ctrl-C reaches it, and does not keep this process alive.
 *
 * @param port taken if free, else another.
 * @throws {LocalPostgresError} with the last words of the server's log.
 */
export async function startServer (runner: Runner, place: Place, port: number, durable: boolean): Promise<Server> {
  removeBorrowedPidFile(place)
  const end = Date.now() + START
  for (let wish = port; ;) {
    const server = await attempt(runner, place, await freePort(wish), durable, end)
    if (typeof server !== 'string') return server
    if (/could not bind/.test(server)) wish = 0 // taken in the meantime
    // A postmaster was killed: nobody has noticed its end yet, or its children have not.
    else if (!/still in use|lock file .* already exists/.test(server)) throw failed(place, server)
    if (Date.now() > end) throw failed(place, server)
    await sleep(50)
  }
}

/** Stops the server: open connections are cut, what was committed is kept. */
export async function stopServer (binaries: Binaries, place: Place): Promise<void> {
  const server = findServer(place)
  if (!server) return
  signal(binaries, server.pid, 'INT')
  if (await ended(server.pid, STOP[0])) return
  signal(binaries, server.pid, 'QUIT')
  if (await ended(server.pid, STOP[1])) return
  throw new LocalPostgresError(`The local PostgreSQL in ${place.dataDir} does not stop: end process ${server.pid} yourself (kill -9 ${server.pid})`)
}

/** @returns the server, or what it said before it gave up. */
async function attempt ({ binaries, account }: Runner, place: Place, port: number, durable: boolean, end: number): Promise<Server | string> {
  const log = openLog(place)
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // a path of more than about 100 characters would be refused
    max_connections: '200',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' })
  }
  const child = spawn(binaries.postgres, [
    '-D', dataPath(account, place.cluster), '-p', String(port),
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  ], { ...inside(account, place.cluster), detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.unref()
  let failure = ''
  child.once('error', (err) => { failure = err.message })

  for (; child.exitCode === null && child.signalCode === null && !failure; await sleep(10)) {
    const server = readPidFile(place)
    if (server?.pid === child.pid && server?.ready) return server
    if (Date.now() > end) {
      child.kill('SIGQUIT')
      return `not ready after ${START / 1000} s: ${lastWords(place)}`
    }
  }
  return failure || lastWords(place)
}

function failed (place: Place, reason: string): LocalPostgresError {
  return new LocalPostgresError(`The local PostgreSQL in ${place.dataDir} did not start (${reason}): ` +
    `put that right, or remove the folder to begin anew, ${OR_YOUR_OWN}`)
}

/** @see https://www.postgresql.org/docs/18/storage-file-layout.html `postmaster.pid`: pid first, port 4th, state 8th line */
function readPidFile (place: Place): Server | undefined {
  try {
    const [pid, , , port, , , , state] = readFileSync(join(place.cluster, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(pid), port: Number(port), ready: state?.trim() === 'ready' }
  } catch {
    return undefined // no server, or one in its first or last moment
  }
}

/**
 * PostgreSQL sees through a stale `postmaster.pid` whose process is gone, but not through one whose number
 * now belongs to another program of the same user, as happens after the machine has been restarted.
 */
function removeBorrowedPidFile (place: Place): void {
  const server = readPidFile(place)
  if (server && isAlive(server.pid) && !isPostmaster(server.pid, place.cluster)) rmSync(join(place.cluster, 'postmaster.pid'))
}

/** A signal that means the same everywhere: Windows has none, and its PostgreSQL a substitute. */
function signal ({ pgCtl }: Binaries, pid: number, name: 'INT' | 'QUIT'): void {
  if (process.platform === 'win32') spawnSync(pgCtl, ['kill', name, String(pid)], { timeout: 5000, windowsHide: true })
  else process.kill(pid, `SIG${name}`)
}

function openLog (place: Place): number {
  if (statSync(place.log, { throwIfNoEntry: false })) renameSync(place.log, `${place.log}.1`)
  return openSync(place.log, 'a', 0o600)
}

function lastWords (place: Place): string {
  const said = readFileSync(place.log, 'utf8').replaceAll(/^\S+ \S+ \S+ \[\d+\] /gm, '') // without time and pid
  return oneLine(said, 3)
}

async function freePort (wish: number): Promise<number> {
  const probe = createServer()
  const bound = await new Promise<boolean>((resolve) => {
    probe.once('error', () => { resolve(false) }).listen(wish, '127.0.0.1', () => { resolve(true) })
  })
  if (!bound) return freePort(0)
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
