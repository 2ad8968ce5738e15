import { ERR_DATABASE } from './errors.js'
import type { Lifetimes } from './lifetimes.js'
import type { SessionReader } from './reader.js'
import type { SessFormat } from './sess-format.js'
import type { LiveRow } from './statements/live-row.js'
import type { StoredIds } from './statements/statement.js'
import type { SessionTable } from './table.js'
import type { SessionData } from './types.js'

/** How often a change is tried at most while others keep changing the session. */
const MAX_ATTEMPTS = 20

/** What is known of a session besides its content. In milliseconds since 1970 on the database's clock. */
export interface AmendedTimes {
  databaseNow: number
  /** Undefined without `absoluteTtl`. */
  createdAt: number | undefined
}

/** Gives the session to store, or null to leave it as it is. It is called again when another write came first. */
export type Amendment = (
  session: SessionData, times: AmendedTimes
) => SessionData | null | Promise<SessionData | null>

export interface AmendParts {
  table: Pick<SessionTable, 'merge'>
  reader: SessionReader
  lifetimes: Lifetimes
  format: SessFormat
}

export interface AmendedRow {
  storedIds: StoredIds
  row: LiveRow
  /** When the call came in, on the process's monotonic clock. */
  beganMs: number
}

/**
 * Changes the session of a row that was read, as long as the row holds what `change` has seen.
 *
 * @returns whether the session is live.
 * @throws {ERR_DATABASE} {ERR_SESSION_VALUE}
 */
export async function amendRow (
  { table, reader, lifetimes, format }: AmendParts, { storedIds, row, beganMs }: AmendedRow, change: Amendment
): Promise<boolean> {
  let { sess } = row
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const parsed = reader.parse({ ...row, sess })
    if (parsed === undefined || reader.expireMs(row, parsed.createdMs) <= row.now_ms) return false
    const { session, createdMs } = parsed
    const changed = await change(session, { databaseNow: row.now_ms, createdAt: createdMs ?? undefined })
    if (changed === null) return true
    const written = format.of({ session: changed, createdMs, loaded: { sess }, expireMs: row.expire_ms })
    const input = { storedIds, base: sess, sess: written, durationMs: null, limitMs: lifetimes.limitMs(createdMs) }
    const outcome = await table.merge(input, performance.now() - beganMs)
    if (outcome === undefined) return false
    if ('expireMs' in outcome) return true
    sess = outcome.current
  }
  throw new ERR_DATABASE({ cause: new Error('too many concurrent changes to one session') })
}
