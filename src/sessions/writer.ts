import { attachedRow, attachRow } from './attached.js'
import type { Done } from './batch.js'
import { publish, unwrittenChannel, type StoreUnwritten } from './channels.js'
import { ConflictResolver, type Change } from './conflicts.js'
import { ERR_SESSION_VALUE } from './errors.js'
import type { SessionIds } from './ids.js'
import type { Lifetimes } from './lifetimes.js'
import { LoadedRow } from './loaded.js'
import { CREATED_PLACEHOLDER } from './statements/own-data.js'
import type { PendingWrites } from './pending-writes.js'
import type { RecentRows } from './recent-rows.js'
import type { SessFormat } from './sess-format.js'
import { contentOf, isSameLifetime, lifetimeOf } from './serialise.js'
import type { AuthEvent, EventOf } from './statements/events.js'
import type { Insert, Inserted } from './statements/insert.js'
import type { Limit, Limited } from './statements/replace-limited.js'
import type { StoredIds, Written } from './statements/statement.js'
import type { SessionTable } from './table.js'
import type { SessionData } from './types.js'

/** What is recorded of a replacement. */
export interface ReplaceEvents {
  /** Of the new session. */
  started?: AuthEvent | undefined
  /** Of each session that the caller named. */
  replaced?: AuthEvent | undefined
  /** Of each session that ended because of a limit. */
  surplus?: AuthEvent | undefined
}

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
    const storedIds = this.#storedIds(id)
    if (this.#isUpToDate(storedIds, session, content)) {
      this.unwritten()
      process.nextTick(done, null)
      return
    }
    this.#write(storedIds, done, (beganMs, ended) => {
      const attached = this.#loadedFrom(session, storedIds)
      const loaded = attached ?? this.#parts.recent.originalOf(session, storedIds)
      if (loaded === undefined) {
        this.#insert(this.#insertOf(storedIds, session, content), session, beganMs, ended)
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
    this.#write(storedIds, done, (beganMs, ended) => {
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
    this.#write(storedIds, done, (beganMs, ended) => {
      this.#parts.table.destroy(storedIds, ended, beganMs)
    })
  }

  /**
   * Inserts `session` under `id` and ends the sessions `formerIds`, in one statement.
   *
   * @returns `sess` of each former session; undefined for one that was not live.
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async replace (
    id: string, session: SessionData, formerIds: readonly string[], events?: ReplaceEvents
  ): Promise<(string | undefined)[]> {
    const { ids, table, pending } = this.#parts
    const beganMs = performance.now()
    const insert = this.#insertOf(this.#storedIds(id), session, contentOf(session))
    const former = formerIds.map((formerId) => ids.storedIds(formerId))
    const sids = [insert.sid, ...former.flatMap(([sid]) => sid ?? [])]
    const { written, ended } = await pending.run(sids, () => {
      const waitedMs = performance.now() - beganMs
      if (events === undefined) return table.replace({ insert, former }, waitedMs)
      if (former.length === 0) return this.#insertRecorded(insert, events, beganMs)
      return table.replaceRecorded({ insert, former, events: parts(events) }, waitedMs)
    })
    if (written !== undefined) this.#attachInserted(session, insert, written)
    return ended
  }

  /** Together with those of other calls. */
  async #insertRecorded (
    insert: Insert, { started }: ReplaceEvents, beganMs: number
  ): Promise<{ written: Inserted | undefined, ended: (string | undefined)[] }> {
    const events = started === undefined ? [] : [{ part: insert.sid, event: started }]
    return new Promise((resolve, reject) => {
      this.#parts.table.insertRecorded({ ...insert, events }, (error, written) => {
        if (error === null) resolve({ written, ended: [] })
        else reject(error)
      }, beganMs)
    })
  }

  /**
   * As `replace`, within a limit of the user's sessions.
   *
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async replaceLimited (
    id: string, session: SessionData, formerIds: readonly string[], limit: Limit, events?: ReplaceEvents
  ): Promise<Limited> {
    const { ids, table, pending } = this.#parts
    const beganMs = performance.now()
    const insert = this.#insertOf(this.#storedIds(id), session, contentOf(session))
    const former = formerIds.map((formerId) => ids.storedIds(formerId))
    // One of a user at a time: those that wait for the user's lock would hold all connections of the pool.
    const keys = [insert.sid, ...former.flatMap(([sid]) => sid ?? []), `${NO_STORED_ID}${limit.user}`]
    const limited = await pending.run(keys, () => {
      const waitedMs = performance.now() - beganMs
      if (events === undefined) return table.replaceLimited({ insert, former, limit }, waitedMs)
      return table.replaceLimitedRecorded({ insert, former, limit, events: parts(events) }, waitedMs)
    })
    if (limited.written !== undefined) this.#attachInserted(session, insert, limited.written)
    return limited
  }

  /**
   * Inserts `data` under `id` for `durationMs` milliseconds.
   *
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async put (id: string, data: Record<string, unknown>, durationMs: number): Promise<void> {
    const storedIds = this.#storedIds(id)
    const cookie = { originalMaxAge: durationMs, expires: new Date(Date.now() + durationMs) }
    const sess = this.#parts.format.of({ session: { cookie, ...data }, createdMs: null })
    const insert = { sid: storedIds[0] ?? '', sess, durationMs, limitMs: null, lifetimeMs: null }
    await new Promise<void>((resolve, reject) => {
      const done: Done<void> = (error) => {
        if (error === null) resolve()
        else reject(error)
      }
      this.#write(storedIds, done, (beganMs, ended) => {
        this.#parts.table.insert(insert, onSuccess(ended, () => {}), beganMs)
      })
    })
  }

  /** Begins a write once no other write of the session is pending. */
  #write (
    [sid = '']: StoredIds, done: Done<void>, write: (beganMs: number, ended: Done<void>) => void
  ): void {
    const { pending } = this.#parts
    const beganMs = performance.now()
    if (pending.has(sid)) pending.after(sid, () => { begin(pending, sid, done, write, beganMs) })
    else begin(pending, sid, done, write, beganMs)
  }

  /** @throws {ERR_SESSION_VALUE} */
  #storedIds (id: string): StoredIds {
    const storedIds = this.#parts.ids.storedIds(id)
    if (storedIds.length === 0) throw new ERR_SESSION_VALUE('invalid session id')
    return storedIds
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

  #insertOf ([sid = '']: StoredIds, session: SessionData, content: string): Insert {
    const { lifetimes, format } = this.#parts
    const lifetimeMs = lifetimes.absoluteMs
    const sess = format.of({ session, content, createdMs: lifetimeMs === null ? null : 0 })
    return { sid, sess, ...lifetimes.of(session, null), lifetimeMs }
  }

  #insert (insert: Insert, session: SessionData, beganMs: number, done: Done<void>): void {
    this.#parts.table.insert(insert, onSuccess<Inserted | undefined>(done, (inserted) => {
      if (inserted !== undefined) this.#attachInserted(session, insert, inserted)
    }), beganMs)
  }

  #attachInserted (
    session: SessionData,
    { sid, sess, lifetimeMs }: Insert,
    { version, expireMs, createdMs }: Inserted
  ): void {
    const hasLifetime = lifetimeMs !== null
    attachRow(session, new LoadedRow({
      table: this.#parts.tableId,
      sid,
      version,
      expireMs,
      nowMs: createdMs,
      createdMs: hasLifetime ? createdMs : null,
      isCreatedStored: hasLifetime,
      sess: hasLifetime ? `${sess.slice(0, -CREATED_PLACEHOLDER.length)}${createdMs}}}` : sess,
      lifetimeMs: lifetimeOf(session),
      cookieExpiresMs: null
    }))
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

const parts = (events: ReplaceEvents): EventOf[] =>
  Object.entries(events).flatMap(([part, event]: [string, AuthEvent | undefined]) =>
    event === undefined ? [] : [{ part, event }])

/** Begins what cannot be a stored id, which holds no NUL. */
const NO_STORED_ID = '\0'

function begin (
  pending: PendingWrites, sid: string, done: Done<void>,
  write: (beganMs: number, ended: Done<void>) => void, beganMs: number
): void {
  const ended = pending.begin(sid, done)
  try {
    write(beganMs, ended)
  } catch (error) { // what cannot be stored
    process.nextTick(ended, error)
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

/** Calls `use` with the outcome before `done`. */
const onSuccess = <Out> (done: Done<void>, use: (out: Out) => void): Done<Out> => (error, out) => {
  if (error !== null) {
    done(error)
    return
  }
  try {
    use(out as Out)
  } catch (thrown) { // by a session object that cannot be written to
    done(thrown as Error)
    return
  }
  done(null)
}
