import { attachedRow, attachRow } from './attached.js'
import type { Done } from './batch.js'
import { onSuccess } from './callback.js'
import { publish, unwrittenChannel, type StoreUnwritten } from './channels.js'
import { ConflictResolver, type Change } from './conflicts.js'
import type { SessionIds } from './ids.js'
import type { Lifetimes } from './lifetimes.js'
import type { LoadedRow } from './loaded.js'
import type { SessionInserter } from './inserter.js'
import type { PendingWrites } from './pending-writes.js'
import type { RecentRows } from './recent-rows.js'
import type { SessFormat } from './sess-format.js'
import { contentOf, isSameLifetime, lifetimeOf } from './serialise.js'
import type { StoredIds, Written } from './statements/statement.js'
import type { SessionTable } from './table.js'
import type { SessionData } from './types.js'

export interface WriterParts {
  table: SessionTable
  /** The store that messages name. */
  store: object
  /** Identifies the table across stores. */
  tableId: string
  ids: SessionIds
  lifetimes: Lifetimes
  format: SessFormat
  pending: PendingWrites
  recent: RecentRows
  inserter: SessionInserter
  log: (message: string) => void
  logOnce: (message: string) => void
}

/**
 * Writes session objects. A session that was loaded is updated if it changed, touched if it did not
 * and its expiry is due, and never inserted. Any other session is inserted.
 *
 * `done` is called once, later, and must not throw.
 */
export class SessionWriter {
  readonly #parts: WriterParts
  readonly #conflicts: ConflictResolver

  constructor (parts: WriterParts) {
    this.#parts = parts
    this.#conflicts = new ConflictResolver(parts)
  }

  get conflicts (): ConflictResolver['counts'] {
    return this.#conflicts.counts
  }

  /** @throws {ERR_SESSION_VALUE} */
  set (id: string, session: SessionData, done: Done<void>): void {
    const content = contentOf(session)
    const storedIds = this.#parts.ids.validStoredIds(id)
    if (this.#isUpToDate(storedIds, session, content)) {
      this.unwritten()
      process.nextTick(done, null)
      return
    }
    this.#parts.pending.write(storedIds, done, (beganMs, ended) => {
      const attached = this.#loadedFrom(session, storedIds)
      const { inserter } = this.#parts
      const loaded = attached ?? this.#parts.recent.originalOf(session, storedIds)
      if (loaded === undefined) {
        inserter.insert(inserter.insertOf(storedIds, session, content), session, beganMs, ended)
      } else if (attached === undefined || hasChanged(session, content, loaded)) {
        const isCopy = attached === undefined
        this.#update(this.#changeOf({ storedIds, session, content, loaded, isCopy, beganMs }), ended)
      } else {
        this.#touchLoaded(storedIds, session, loaded, beganMs, ended)
      }
    })
  }

  /** Reports that a request's session had nothing to write. */
  unwritten (): void {
    const { store } = this.#parts
    publish(unwrittenChannel, (): StoreUnwritten => ({ store }))
  }

  /** Whether `set` would find nothing to write. */
  isUpToDate (id: string, session: SessionData): boolean {
    // Checked first: it tells most other sessions apart without their content.
    if (attachedRow(session) === undefined) return false
    try {
      return this.#isUpToDate(this.#parts.ids.storedIds(id), session, contentOf(session))
    } catch { // what cannot be stored
      return false
    }
  }

  touch (id: string, session: SessionData, done: Done<void>): void {
    const storedIds = this.#parts.ids.storedIds(id)
    if (storedIds.length === 0) {
      process.nextTick(done, null)
      return
    }
    this.#parts.pending.write(storedIds, done, (beganMs, ended) => {
      const { table, lifetimes } = this.#parts
      const loaded = this.#loadedFrom(session, storedIds)
      if (loaded === undefined) {
        const input = { storedIds, ...lifetimes.of(session, null), lifetimeMs: lifetimes.absoluteMs }
        table.touch(input, onSuccess(ended, () => {}), beganMs)
      } else if (lacksCreated(loaded) && lifetimes.isTouchDue(session, loaded)) {
        // A session that is only ever touched would otherwise have no absolute lifetime.
        const { content } = loaded
        this.#update(this.#changeOf({ storedIds, session, content, loaded, isCopy: false, beganMs }), ended)
      } else {
        this.#touchLoaded(storedIds, session, loaded, beganMs, ended)
      }
    })
  }

  /**
   * Moves the expiry of a session, whether or not that is due, and waits while its row is locked.
   *
   * @returns whether the session is live.
   * @throws {ERR_DATABASE}
   */
  async extend (id: string, session: SessionData): Promise<boolean> {
    const { ids, table, pending, lifetimes } = this.#parts
    const storedIds = ids.storedIds(id)
    const [sid] = storedIds
    if (sid === undefined) return false
    const beganMs = performance.now()
    return pending.run([sid], async () => {
      const loaded = this.#loadedFrom(session, storedIds)
      const created = loaded?.createdMs ?? null
      const lifetimeMs = loaded === undefined ? lifetimes.absoluteMs : null
      const input = { storedIds, ...lifetimes.of(session, created), lifetimeMs }
      const written = await table.extend(input, performance.now() - beganMs)
      if (loaded !== undefined && written === undefined) loaded.isMissed = true
      if (loaded === undefined || written === undefined) return written !== undefined
      attachRow(session, loaded.after({ sid, ...written, seen: loaded.seen }))
      return true
    })
  }

  /** Ends a session. */
  destroy (storedIds: StoredIds, done: Done<void>): void {
    this.#parts.pending.write(storedIds, done, (beganMs, ended) => {
      this.#parts.table.destroy(storedIds, ended, beganMs)
    })
  }

  /** The row that this session object was loaded from or written to, if it is one of these ids. */
  #loadedFrom (session: SessionData, storedIds: StoredIds): LoadedRow | undefined {
    const row = attachedRow(session)
    if (row?.table !== this.#parts.tableId) return undefined
    return storedIds.includes(row.sid) ? row : undefined
  }

  /** Whether there is nothing to write, as after most requests. */
  #isUpToDate (storedIds: StoredIds, session: SessionData, content: string): boolean {
    const [sid = ''] = storedIds
    const loaded = attachedRow(session)
    return loaded !== undefined && loaded.sid === sid && loaded.table === this.#parts.tableId &&
      !this.#parts.pending.has(sid) && !hasChanged(session, content, loaded) &&
      !this.#parts.lifetimes.isTouchDue(session, loaded)
  }

  #changeOf (
    { storedIds, session, content, loaded, isCopy, beganMs }:
    Pick<Change, 'storedIds' | 'session' | 'loaded' | 'isCopy' | 'beganMs'> & { content: string }
  ): Change {
    const { lifetimes, format } = this.#parts
    const lifetimeMs = lifetimeOf(session)
    const { createdMs } = loaded
    const keepsExpiry = isSameLifetime(loaded.lifetimeMs, lifetimeMs) &&
      !lifetimes.isTouchDue(session, loaded)
    const expireMs = keepsExpiry ? loaded.expireMs : undefined
    return {
      storedIds, session, loaded, isCopy, lifetimeMs, beganMs,
      limitMs: lifetimes.limitMs(createdMs),
      durationMs: keepsExpiry ? null : lifetimes.durationMs(session),
      sess: format.of({ session, content, createdMs, loaded, expireMs })
    }
  }

  /** Writes a change if the row still has the loaded version, and merges it otherwise. */
  #update (change: Change, done: Done<void>): void {
    const { storedIds: [sid = ''], loaded, sess, durationMs, limitMs, beganMs } = change
    if (loaded.sid !== sid || loaded.seen !== loaded.sess) {
      this.#merge(change, done)
      return
    }
    const input = { sid, version: loaded.version, sess, durationMs, limitMs }
    this.#parts.table.update(input, (error, written) => {
      // Without a row, it is locked, or was touched, changed or ended by another request.
      if (error === null && written === undefined) this.#merge(change, done)
      else this.#attachWritten(change, error, written, done)
    }, beganMs)
  }

  #merge (change: Change, done: Done<void>): void {
    this.#conflicts.write(change).then(() => { done(null) }, done)
  }

  #attachWritten (
    { storedIds: [sid = ''], session, loaded, sess, lifetimeMs }: Change,
    error: Error | null, written: Written | undefined, done: Done<void>
  ): void {
    let problem = error
    if (written !== undefined) {
      const { version, expireMs } = written
      try {
        attachRow(session, loaded.after({ sid, version, expireMs, sess, lifetimeMs, isCreatedStored: true }))
      } catch (thrown) { // by a session object that cannot be written to
        problem = thrown as Error
      }
    }
    done(problem)
  }

  /** Moves the expiry if that is due. A row under a legacy id always moves to the current one. */
  #touchLoaded (
    storedIds: StoredIds, session: SessionData, loaded: LoadedRow, beganMs: number, done: Done<void>
  ): void {
    const { table, lifetimes } = this.#parts
    const [sid = ''] = storedIds
    if (loaded.sid === sid && !lifetimes.isTouchDue(session, loaded)) {
      this.unwritten()
      process.nextTick(done, null)
      return
    }
    const attach = onSuccess<Written | undefined>(done, (written) => {
      if (written === undefined) {
        loaded.isMissed = true
        return
      }
      const { seen } = loaded
      attachRow(session, loaded.after({ sid, ...written, seen }))
    })
    const input = { storedIds, ...lifetimes.of(session, loaded.createdMs), lifetimeMs: null }
    table.touch(input, attach, beganMs)
  }
}

/** Whether the row does not say from when the absolute lifetime counts. */
const lacksCreated = ({ createdMs, isCreatedStored }: LoadedRow): boolean =>
  createdMs !== null && !isCreatedStored

/** Whether the row must be written again. */
const hasChanged = (session: SessionData, content: string, loaded: LoadedRow): boolean =>
  !loaded.hasContent(content) ||
  !isSameLifetime(loaded.lifetimeMs, lifetimeOf(session)) ||
  lacksCreated(loaded)
