import { createHash, randomUUID } from 'node:crypto'
import { reporting, type StoreCallName } from './channels.js'
import type { Database } from './database.js'
import { acquireLease } from './statements/acquire-lease.js'
import { failLease } from './statements/fail-lease.js'
import { releaseLease } from './statements/release-lease.js'
import type { Statement } from './statements/statement.js'

/** The lease is held by another process, or its last holder failed with the error code `failed`. */
export interface Busy { acquired: false, failed: string | undefined }

/** A lease that is held. It expires by itself. All methods fail with ERR_DATABASE. */
export interface Lease {
  acquired: true
  /** Releases the lease: the work is done. */
  readonly release: () => Promise<void>
  /**
   * Keeps the lease for `pauseMs` milliseconds: the work failed, and others get `code` meanwhile.
   */
  readonly fail: (code: string, pauseMs: number) => Promise<void>
}

/**
 * Leases: locks for work that only one process at a time may do for a session.
 *
 * A lease is a row of the session table that expires by itself, also when its holder dies. Nothing
 * is held between statements, neither a connection nor a transaction, so leases work behind a
 * transaction-mode pooler. The pruner removes expired ones.
 */
export class SessionLeases {
  readonly #database: Database
  constructor (database: Database) {
    this.#database = database
  }

  /** @param durationMs must exceed the time that the work takes. @throws {ERR_DATABASE} */
  async acquire (sessionId: string, durationMs: number): Promise<Lease | Busy> {
    const database = this.#database
    const lease = { sid: leaseSid(sessionId), holder: randomUUID() }
    const run = <In, Out, Row extends object> (call: StoreCallName, statement: Statement<In, Out, Row>, input: In) =>
      reporting(database.store, call, () => database.run(statement, input, 0, { call }))
    const answer = await run('acquireLease', acquireLease, { ...lease, durationMs })
    if (answer?.acquired !== true) return { acquired: false, failed: answer?.failed ?? undefined }
    return {
      acquired: true,
      release: async () => run('releaseLease', releaseLease, lease),
      fail: async (code, pauseMs) => run('failLease', failLease, { ...lease, code, durationMs: pauseMs })
    }
  }
}

/**
 * The stored id of a session's lease. It is the same in instances with different keys. The session
 * id's 192 random bits need no key to stay secret.
 */
export const leaseSid = (sessionId: string): string =>
  `lease.${createHash('sha256').update(sessionId).digest('base64url')}`
