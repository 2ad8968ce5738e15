/**
 * A real PostgreSQL for a developer's machine. Nothing has to be installed or started first.
 *
 * Several processes may use one data directory at the same time. The first one starts the server and the last
 * one stops it. If a process was killed and left its server running, the next process uses that server.
 *
 * @module
 */
import { findBinaries, type Binaries } from './binaries.js'
import { ensureCluster } from './cluster.js'
import { ensureDatabase, urlOf } from './connect.js'
import { explained, LocalPostgresError, OR_YOUR_OWN } from './error.js'
import { endLease, takeLease } from './leases.js'
import { withLock } from './lock.js'
import { pathsIn } from './paths.js'
import { findServer, startServer, stopServer } from './server.js'
import { accountFor, runnable } from './unprivileged.js'

const DEFAULT_PORT = 54329

export interface LocalPostgres {
  /** `postgres://…` on 127.0.0.1. */
  url: string
  port: number
  /** Process id of the postmaster, the parent of the server's other processes. */
  pid: number
  /** Ends this caller's use. The last caller stops the server. May be called more than once. */
  close (): Promise<void>
}

export interface LocalPostgresOptions {
  /** Keeps the data between runs. */
  dataDir: string
  /** Used if it is free, otherwise any free port is. A server that already runs keeps its port. Default 54329. */
  port?: number
  /** False, for tests: faster, but a crash of the machine (not of the server) may lose data. */
  durable?: boolean
  /** Used instead of the ones that npm installed. */
  binaries?: Binaries
}

/**
 * Starts PostgreSQL on `dataDir`, or uses the server that already runs there. Only `close()` stops it, so a
 * process that is shutting down can answer its last requests first.
 *
 * @throws {LocalPostgresError}
 */
export async function startPostgres (options: LocalPostgresOptions): Promise<LocalPostgres> {
  const { dataDir, port = DEFAULT_PORT, durable = true } = options
  try {
    const binaries = options.binaries ?? await findBinaries()
    const paths = pathsIn(dataDir)

    const leave = async (lease: string) => {
      if (endLease(paths.leases, lease)) await stopServer(binaries, paths)
    }
    const startNew = async () => {
      const account = accountFor(paths.cluster)
      const runner = { account, binaries: runnable(binaries, account) }
      await ensureCluster(runner, paths, durable)
      return startServer(runner, paths, port, durable)
    }
    const readyServer = async () => {
      const found = findServer(paths) ?? await startNew()
      if (await ensureDatabase(paths, found)) return found
      const server = await startNew()
      if (await ensureDatabase(paths, server)) return server
      throw new LocalPostgresError(`The local PostgreSQL in ${dataDir} ended right after its start: ` +
        `see postgres.log there, ${OR_YOUR_OWN}`)
    }
    const enter = async (lease: string) => {
      const server = await readyServer()
      let closed: Promise<void> | undefined
      const close = () => withLock(paths.lock, () => leave(lease))
        .catch((error: unknown) => { throw explained(dataDir, error) })
      return {
        url: urlOf(paths, server),
        port: server.port,
        pid: server.pid,
        close: () => closed ??= close()
      }
    }

    return await withLock(paths.lock, async () => {
      const lease = takeLease(paths.leases)
      try {
        return await enter(lease)
      } catch (error) {
        await leave(lease).catch(() => {}) // report the first failure
        throw error
      }
    })
  } catch (error) {
    throw explained(dataDir, error)
  }
}
