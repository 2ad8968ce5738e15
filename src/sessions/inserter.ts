import { attachRow } from './attached.js'
import type { Done } from './batch.js'
import { onSuccess, outcomeOf } from './callback.js'
import type { SessionIds } from './ids.js'
import type { Lifetimes } from './lifetimes.js'
import { LoadedRow } from './loaded.js'
import type { PendingWrites } from './pending-writes.js'
import type { SessFormat } from './sess-format.js'
import { contentOf, lifetimeOf } from './serialise.js'
import type { AuthEvent, EventOf } from './statements/events.js'
import type { Insert, Inserted } from './statements/insert.js'
import { CREATED_PLACEHOLDER } from './statements/own-data.js'
import type { Limit, Limited } from './statements/replace-limited.js'
import type { StoredIds } from './statements/statement.js'
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

export interface InserterParts {
  table: SessionTable
  /** Identifies the table across stores. */
  tableId: string
  ids: SessionIds
  lifetimes: Lifetimes
  format: SessFormat
  pending: PendingWrites
}

/** Inserts new sessions, also in place of others, and login transactions. */
export class SessionInserter {
  readonly #parts: InserterParts

  constructor (parts: InserterParts) {
    this.#parts = parts
  }

  /** @throws {ERR_SESSION_VALUE} */
  insertOf ([sid = '']: StoredIds, session: SessionData, content: string): Insert {
    const { lifetimes, format } = this.#parts
    const lifetimeMs = lifetimes.absoluteMs
    const sess = format.of({ session, content, createdMs: lifetimeMs === null ? null : 0 })
    const durationMs = Math.min(lifetimes.durationMs(session), lifetimeMs ?? Infinity)
    return { sid, sess, durationMs, hasCreated: lifetimeMs !== null }
  }

  /** `done` is called once, later, and must not throw. */
  insert (insert: Insert, session: SessionData, beganMs: number, done: Done<void>): void {
    this.#parts.table.insert(insert, onSuccess<Inserted | undefined>(done, (inserted) => {
      if (inserted !== undefined) this.#attachInserted(session, insert, inserted)
    }), beganMs)
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
    const insert = this.insertOf(this.#parts.ids.validStoredIds(id), session, contentOf(session))
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
    const written = await outcomeOf<Inserted | undefined>((done) => {
      this.#parts.table.insertRecorded({ ...insert, events }, done, beganMs)
    })
    return { written, ended: [] }
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
    const insert = this.insertOf(this.#parts.ids.validStoredIds(id), session, contentOf(session))
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
    const storedIds = this.#parts.ids.validStoredIds(id)
    const cookie = { originalMaxAge: durationMs, expires: new Date(Date.now() + durationMs) }
    const sess = this.#parts.format.of({ session: { cookie, ...data }, createdMs: null })
    const insert = { sid: storedIds[0] ?? '', sess, durationMs, hasCreated: false }
    await outcomeOf<void>((done) => {
      this.#parts.pending.write(storedIds, done, (beganMs, ended) => {
        this.#parts.table.insert(insert, onSuccess(ended, () => {}), beganMs)
      })
    })
  }

  #attachInserted (
    session: SessionData,
    { sid, sess, hasCreated }: Insert,
    { version, expireMs, createdMs }: Inserted
  ): void {
    attachRow(session, new LoadedRow({
      table: this.#parts.tableId,
      sid,
      version,
      expireMs,
      nowMs: createdMs,
      createdMs: hasCreated ? createdMs : null,
      isCreatedStored: hasCreated,
      sess: hasCreated ? `${sess.slice(0, -CREATED_PLACEHOLDER.length)}${createdMs}}}` : sess,
      lifetimeMs: lifetimeOf(session),
      cookieExpiresMs: null
    }))
  }
}

const parts = (events: ReplaceEvents): EventOf[] =>
  Object.entries(events).flatMap(([part, event]: [string, AuthEvent | undefined]) =>
    event === undefined ? [] : [{ part, event }])

/** Begins what cannot be a stored id, which holds no NUL. */
const NO_STORED_ID = '\0'
