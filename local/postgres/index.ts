/**
 * A real PostgreSQL for a developer's machine, without anything to install or to start beforehand.
 *
 * Any number of processes may use the same data directory at once: the first one starts the server, the
 * last one stops it. A server that a killed process left behind is found and used by the next.
 *
 * @module
 */
import { findBinaries, type Binaries } from './binaries.js'
import { ensureCluster } from './cluster.js'
import { ensureDatabase, urlOf } from './connect.js'
import { explained, LocalPostgresError, OR_YOUR_OWN } from './error.js'
import { endLease, takeLease } from './leases.js'
import { placeIn } from './place.js'
import { findServer, startServer, stopServer } from './server.js'
import { inTurn } from './turns.js'
import { accountFor, runnable } from './unprivileged.js'

export interface LocalPostgres {
  /** `postgres://…` on 127.0.0.1. */
  url: string
  port: number
  /** Process id of the postmaster, the parent of all other processes of the server. */
  pid: number
  /** Says that this caller is done. The last one to say so stops the server. May be called again. */
  close (): Promise<void>
}

export interface LocalPostgresOptions {
  /** Where the data is kept between runs. */
  dataDir: string
  /** Taken if free, else another. A server that runs already keeps its own. */
  port?: number
  /** False, for tests: faster, and data may be lost when the machine, not the server, crashes. */
  durable?: boolean
  /** Instead of those that npm has installed. */
  binaries?: Binaries
}

/**
 * Starts PostgreSQL on `dataDir`, or uses the one that runs there. Nothing stops it but `close()`: a process
 * that is asked to end can answer its last requests first.
 *
 * @throws {LocalPostgresError} one line that says what to do.
 */
export async function startPostgres (options: LocalPostgresOptions): Promise<LocalPostgres> {
  const { dataDir, port = 54329, durable = true } = options
  try {
    const binaries = options.binaries ?? await findBinaries()
    const place = placeIn(dataDir)

    const leave = async (lease: string) => {
      if (endLease(place.leases, lease)) await stopServer(binaries, place)
    }
    const startNew = async () => {
      const account = accountFor(place.cluster)
      const runner = { account, binaries: runnable(binaries, account) }
      await ensureCluster(runner, place, durable)
      return startServer(runner, place, port, durable)
    }
    const enter = async (lease: string) => {
      let server = findServer(place) ?? await startNew()
      if (!await ensureDatabase(place, server)) {
        server = await startNew()
        if (!await ensureDatabase(place, server)) throw new LocalPostgresError(`The local PostgreSQL in ${dataDir} ended right after its start: see postgres.log there, ${OR_YOUR_OWN}`)
      }
      let left: Promise<void> | undefined
      return {
        url: urlOf(place, server),
        port: server.port,
        pid: server.pid,
        close: () => left ??= inTurn(place.turns, () => leave(lease)).catch((err: unknown) => { throw explained(dataDir, err) })
      }
    }

    return await inTurn(place.turns, async () => {
      const lease = takeLease(place.leases)
      try {
        return await enter(lease)
      } catch (err) {
        await leave(lease).catch(() => {}) // the first failure is the one to tell
        throw err
      }
    })
  } catch (err) {
    throw explained(dataDir, err)
  }
}
