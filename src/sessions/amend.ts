import { outcomeOf } from './callback.js'
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
/** Rows that are remembered after they were written, of some kilobytes each. */
const MAX_ROWS = 500

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

export interface AmenderParts {
  table: Pick<SessionTable, 'get' | 'merge' | 'swap'>
  reader: SessionReader
  lifetimes: Lifetimes
  format: SessFormat
}

interface KnownRow {
  row: LiveRow
  /** When it was read, on the process's monotonic clock. */
  atMs: number
  /** Whether it was read by this call. */
  isPresent: boolean
}

/** Changes sessions as they are in the table. */
export class Amender {
  readonly #parts: AmenderParts
  /** Rows as this process last wrote them, by their stored id. What is computed from one is checked at its write. */
  readonly #rows = new Map<string, KnownRow>()

  constructor (parts: AmenderParts) {
    this.#parts = parts
  }

  /**
   * @param beganMs when the call came in, on the process's monotonic clock.
   * @returns whether the session is live.
   * @throws {ERR_DATABASE} {ERR_SESSION_VALUE}
   */
  async amend (storedIds: StoredIds, change: Amendment, beganMs: number): Promise<boolean> {
    const { table, lifetimes, format } = this.#parts
    const [sid = ''] = storedIds
    let known = this.#rows.get(sid) ?? await this.#read(storedIds, beganMs)
    this.#rows.delete(sid)
    for (let attempt = 1; attempt <= MAX_ATTEMPTS && known !== undefined; attempt++) {
      const { row, isPresent } = known
      const { changed, createdMs } = await this.#changed(known, change)
      if (changed === null && isPresent) return true
      if (changed === null || changed === undefined) {
        if (isPresent) return false
        known = await this.#read(storedIds, beganMs)
        continue
      }
      const sess = format.of({ session: changed, createdMs, loaded: row, expireMs: row.expire_ms })
      const base = row.sess
      // The other statement also finds a row under a legacy id.
      const outcome = await table.swap({ sid, sess, base }, performance.now() - beganMs) ?? await table.merge(
        { storedIds, base, sess, durationMs: null, limitMs: lifetimes.limitMs(createdMs) }, performance.now() - beganMs
      )
      if (outcome === undefined) return false
      if ('expireMs' in outcome) {
        this.#remember(sid, { ...known, isPresent: false, row: { ...row, sess, expire_ms: outcome.expireMs } })
        return true
      }
      known = { ...known, isPresent: true, row: { ...row, sess: outcome.current } }
    }
    if (known === undefined) return false
    throw new ERR_DATABASE({ cause: new Error('too many concurrent changes to one session') })
  }

  /** The changed session; undefined where the row holds none that is live. */
  async #changed (
    { row, atMs, isPresent }: KnownRow, change: Amendment
  ): Promise<{ changed: SessionData | null | undefined, createdMs: number | null }> {
    const { reader } = this.#parts
    const parsed = reader.parse(row)
    if (parsed === undefined) return { changed: undefined, createdMs: null }
    const { session, createdMs } = parsed
    // Whether a remembered row is live, only the database knows.
    if (isPresent && reader.expireMs(row, createdMs) <= row.now_ms) return { changed: undefined, createdMs }
    const databaseNow = row.now_ms + performance.now() - atMs
    return { changed: await change(session, { databaseNow, createdAt: createdMs ?? undefined }), createdMs }
  }

  async #read (storedIds: StoredIds, beganMs: number): Promise<KnownRow | undefined> {
    const row = await outcomeOf<LiveRow | undefined>((done) => { this.#parts.table.get(storedIds, done, beganMs) })
    return row === undefined ? undefined : { row, atMs: performance.now(), isPresent: true }
  }

  #remember (sid: string, known: KnownRow): void {
    const [oldest] = this.#rows.keys()
    if (this.#rows.size >= MAX_ROWS && oldest !== undefined) this.#rows.delete(oldest)
    this.#rows.set(sid, known)
  }
}
