import type { Done } from './batch.js'
import type { Lifetimes } from './lifetimes.js'
import type { SessionReader } from './reader.js'
import type { LiveRow } from './statements/live-row.js'
import type { StoredIds } from './statements/statement.js'
import type { SessionData } from './types.js'
import { publicId } from './user-session.js'

/** Views in one generation, some 500 bytes each for a few texts. There are two generations. */
const MAX_VIEWS = 5000

/** What a viewer tells of a live session. Times are milliseconds since 1970 on the database's clock. */
export interface Viewed<View> {
  /** Made from the session, and shared by all calls that see the same version of it: must not be changed. */
  view: View
  /** Identifies the session and is no secret, as `listByUser` has it. */
  publicId: string
  expiresAt: number
  /** Undefined without `absoluteTtl`. */
  createdAt: number | undefined
  /** The present time. */
  databaseNow: number
  /**
   * Whether using the session now, for the store's `ttl`, would write nothing. False for one that this process has
   * ended meanwhile, or tried to.
   */
  isUpToDate: boolean
}

/** Gives what the session of an id shows, or null where there is no live one. */
export type Viewer<View> = (id: string) => Promise<Viewed<View> | null>

/** What views need of a store. */
export interface ViewSource {
  storedIds: (id: string) => StoredIds
  /** Reads the live row of a session. */
  read: (storedIds: StoredIds, done: Done<LiveRow | undefined>) => void
  /** Whether this process has ended the session, or tried to. */
  hasEnded: (sid: string) => boolean
}

interface Kept<View> {
  version: string
  length: number
  view: View
  publicId: string
  createdMs: number | null
  isCreatedStored: boolean
}

/**
 * Makes views of rows and keeps the latest ones, so that a row is parsed once for each of its versions.
 *
 * After a failover that lost writes, PostgreSQL may give a version to another row content. The length is compared as
 * well, and the expiry and the time are always those of the row.
 */
export class Views<View> {
  readonly #reader: SessionReader
  readonly #lifetimes: Lifetimes
  readonly #viewOf: (session: SessionData) => View
  #younger = new Map<string, Kept<View>>()
  #older = new Map<string, Kept<View>>()

  constructor (reader: SessionReader, lifetimes: Lifetimes, viewOf: (session: SessionData) => View) {
    this.#reader = reader
    this.#lifetimes = lifetimes
    this.#viewOf = viewOf
  }

  /** A function of a session id. It makes one promise, and it rejects with `ERR_DATABASE` or what `viewOf` throws. */
  viewer ({ storedIds: storedIdsOf, read, hasEnded }: ViewSource): Viewer<View> {
    return (id) => new Promise((resolve, reject) => {
      const storedIds = storedIdsOf(id)
      read(storedIds, (error, row) => {
        if (error !== null) {
          reject(error)
          return
        }
        try {
          const viewed = row === undefined ? null : this.#of(row, storedIds)
          // The row may have been read just before this process ended the session.
          if (viewed !== null && row !== undefined && hasEnded(row.sid)) viewed.isUpToDate = false
          resolve(viewed)
        } catch (thrown) { // by `viewOf` or the log
          reject(thrown instanceof Error ? thrown : new Error(String(thrown)))
        }
      })
    })
  }

  /**
   * Null if the absolute lifetime is over, or the row holds no session.
   *
   * @param storedIds of the session: a row under another than the first one has still to move to that.
   */
  #of (row: LiveRow, [sid]: StoredIds): Viewed<View> | null {
    const kept = this.#kept(row)
    if (kept === undefined) return null
    const { view, publicId, createdMs, isCreatedStored } = kept
    const expiresAt = this.#reader.expireMs(row, createdMs)
    const nowMs = row.now_ms
    if (expiresAt <= nowMs) return null
    return {
      view,
      publicId,
      expiresAt,
      createdAt: createdMs ?? undefined,
      databaseNow: nowMs,
      isUpToDate: isCreatedStored && row.sid === sid &&
        !this.#lifetimes.isDue({ nowMs, expireMs: expiresAt, createdMs })
    }
  }

  #kept (row: LiveRow): Kept<View> | undefined {
    const younger = this.#younger.get(row.sid)
    if (younger !== undefined && isOf(younger, row)) return younger
    const older = this.#older.get(row.sid)
    const kept = older !== undefined && isOf(older, row) ? older : this.#make(row)
    if (kept !== undefined) this.#keep(row.sid, kept)
    return kept
  }

  #make (row: LiveRow): Kept<View> | undefined {
    const parsed = this.#reader.parse(row)
    if (parsed === undefined) return undefined
    return {
      version: row.version,
      length: row.sess.length,
      view: this.#viewOf(parsed.session),
      publicId: publicId(row.sid),
      createdMs: parsed.createdMs,
      isCreatedStored: parsed.createdMs === null || parsed.own.created !== undefined
    }
  }

  #keep (sid: string, kept: Kept<View>): void {
    if (this.#younger.size >= MAX_VIEWS && !this.#younger.has(sid)) {
      this.#older = this.#younger
      this.#younger = new Map()
    }
    this.#younger.set(sid, kept)
  }
}

const isOf = ({ version, length }: Kept<unknown>, row: LiveRow): boolean =>
  version === row.version && length === row.sess.length
