import { createHash, randomUUID } from 'node:crypto'
import type { Database } from './database.js'
import { leaseStatements } from './lease-sql.js'

/** Somebody else's turn: still at it, or given up with this error code. */
export interface Busy { acquired: false, failed: string | undefined }

/** One's own turn. Whatever becomes of it, it ends by itself. */
export interface Lease {
  acquired: true
  /** The work is done: it is anybody's turn. */
  readonly release: () => Promise<void>
  /** The work failed: nobody tries it again within `pauseMs`, and whoever asks meanwhile is told `code`. */
  readonly fail: (code: string, pauseMs: number) => Promise<void>
}

/**
 * Turns for what only one process at a time may do with one session: each a row of the session table that
 * expires by itself, also when its holder dies. Nothing is held between statements, neither a connection nor
 * a transaction, so it works through a transaction-mode pooler; the pruner removes what is left behind.
 */
export class SessionLeases {
  readonly #database: Database
  readonly #sql: ReturnType<typeof leaseStatements>

  constructor (database: Database) {
    this.#database = database
    this.#sql = leaseStatements(database.table)
  }

  /** @param durationMs longer than the work takes. @throws {ERR_DATABASE} */
  async acquire (sessionId: string, durationMs: number): Promise<Lease | Busy> {
    const sid = leaseSid(sessionId)
    const holder = randomUUID()
    const [row] = await this.#database.query<{ acquired: boolean, failed: string | null }>(this.#sql.acquire, [sid, holder, durationMs])
    if (row?.acquired !== true) return { acquired: false, failed: row?.failed ?? undefined }
    return {
      acquired: true,
      release: async () => { await this.#database.query(this.#sql.release, [sid, holder]) },
      fail: async (code, pauseMs) => { await this.#database.query(this.#sql.fail, [sid, holder, code, pauseMs]) }
    }
  }
}

/** The same whatever the secrets of an instance. The id's 192 random bits need no key to stay unknown. */
export const leaseSid = (sessionId: string): string => `lease.${createHash('sha256').update(sessionId).digest('base64url')}`
