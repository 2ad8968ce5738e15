import type { Done } from './batch.js'
import { ConflictResolver, type Change } from './conflicts.js'
import { ERR_SESSION_VALUE } from './errors.js'
import type { SessionIds } from './ids.js'
import type { Lifetimes } from './lifetimes.js'
import { attachRow, LoadedRow, loadedFrom } from './loaded.js'
import { contentOf, isSameLifetime, lifetimeOf, serialise } from './serialise.js'
import type { Insert, Inserted } from './statements/insert.js'
import type { StoredIds, Written } from './statements/statement.js'
import type { SessionTable } from './table.js'
import type { SessionData } from './types.js'

/**
 * Writes session objects. A session that was loaded is updated if it changed, touched if it did not
 * and its expiry is due, and never inserted. Any other session is inserted.
 *
 * `done` is called once, later, and must not throw.
 */
export class SessionWriter {
  readonly #table: SessionTable
  readonly #ids: SessionIds
  readonly #lifetimes: Lifetimes
  readonly #conflicts: ConflictResolver

  constructor (
    table: SessionTable, ids: SessionIds, lifetimes: Lifetimes, log: (message: string) => void
  ) {
    this.#table = table
    this.#ids = ids
    this.#lifetimes = lifetimes
    this.#conflicts = new ConflictResolver(table, log)
  }

  get conflicts (): ConflictResolver['counts'] {
    return this.#conflicts.counts
  }

  /** @throws {ERR_SESSION_VALUE} */
  set (id: string, session: SessionData, done: Done<void>): void {
    const content = contentOf(session)
    const storedIds = this.#storedIds(id)
    const loaded = loadedFrom(session, storedIds)
    if (loaded === undefined) {
      this.#insert(this.#insertOf(storedIds, session, content), session, done)
    } else if (hasChanged(session, content, loaded)) {
      this.#update(this.#changeOf(storedIds, session, content, loaded), done)
    } else {
      this.#touchLoaded(storedIds, session, loaded, done)
    }
  }

  touch (id: string, session: SessionData, done: Done<void>): void {
    const storedIds = this.#ids.storedIds(id)
    if (storedIds.length === 0) {
      process.nextTick(done, null)
      return
    }
    const loaded = loadedFrom(session, storedIds)
    if (loaded === undefined) {
      const lifetimeMs = this.#lifetimes.absoluteMs
      const input = { storedIds, ...this.#lifetimes.of(session), lifetimeMs }
      this.#table.touch(input, onSuccess(done, () => {}))
    } else {
      this.#touchLoaded(storedIds, session, loaded, done)
    }
  }

  /**
   * Inserts `session` under `id` and ends the sessions `formerIds`, in one statement.
   *
   * @returns `sess` of each former session; undefined for one that was not live.
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async replace (
    id: string, session: SessionData, formerIds: readonly string[]
  ): Promise<(string | undefined)[]> {
    const insert = this.#insertOf(this.#storedIds(id), session, contentOf(session))
    const former = formerIds.map((formerId) => this.#ids.storedIds(formerId))
    const { written, ended } = await this.#table.replace({ insert, former })
    attachInserted(session, insert, written)
    return ended
  }

  /**
   * Inserts `data` under `id` for `durationMs` milliseconds.
   *
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async put (id: string, data: Record<string, unknown>, durationMs: number): Promise<void> {
    const [sid = ''] = this.#storedIds(id)
    const cookie = { originalMaxAge: durationMs, expires: new Date(Date.now() + durationMs) }
    const sess = serialise({ cookie, ...data })
    const insert = { sid, sess, durationMs, limitMs: null, lifetimeMs: null }
    await new Promise<void>((resolve, reject) => {
      this.#table.insert(insert, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  /** @throws {ERR_SESSION_VALUE} */
  #storedIds (id: string): StoredIds {
    const storedIds = this.#ids.storedIds(id)
    if (storedIds.length === 0) throw new ERR_SESSION_VALUE('invalid session id')
    return storedIds
  }

  #insertOf ([sid = '']: StoredIds, session: SessionData, content: string): Insert {
    const lifetimeMs = typeof session.createdAt === 'number' ? null : this.#lifetimes.absoluteMs
    return { sid, sess: serialise(session, content), ...this.#lifetimes.of(session), lifetimeMs }
  }

  #insert (insert: Insert, session: SessionData, done: Done<void>): void {
    this.#table.insert(insert, onSuccess<Inserted | undefined>(done, (inserted) => {
      if (inserted !== undefined) attachInserted(session, insert, inserted)
    }))
  }

  #changeOf (
    storedIds: StoredIds, session: SessionData, content: string, loaded: LoadedRow
  ): Change {
    const beganMs = performance.now()
    const lifetimeMs = lifetimeOf(session)
    const { durationMs, limitMs } = this.#lifetimes.of(session)
    const keepsExpiry = isSameLifetime(loaded.lifetimeMs, lifetimeMs) &&
      !this.#lifetimes.isTouchDue(session, loaded)
    return {
      storedIds, session, loaded, lifetimeMs, limitMs, beganMs,
      durationMs: keepsExpiry ? null : durationMs,
      sess: serialise(session, content, keepsExpiry ? loaded.expireMs : undefined)
    }
  }

  /** Writes a change if the row still has the loaded version, and merges it otherwise. */
  #update (change: Change, done: Done<void>): void {
    const { storedIds: [sid = ''], session, loaded, sess, lifetimeMs, durationMs, limitMs } = change
    const resolve = () => { this.#conflicts.write(change).then(() => { done(null) }, done) }
    if (loaded.sid !== sid || loaded.seen !== loaded.sess) {
      resolve()
      return
    }
    const attach = onSuccess<Written>(done, (written) => {
      const nowMs = loaded.databaseNow()
      attachRow(session, new LoadedRow({ sid, ...written, nowMs, sess, lifetimeMs }))
    })
    const input = { sid, version: loaded.version, sess, durationMs, limitMs }
    this.#table.update(input, (error, written) => {
      // Without a row, it is locked, or was touched, changed or ended by another request.
      if (error === null && written === undefined) resolve()
      else attach(error, written)
    })
  }

  /** Moves the expiry if that is due. A row under a legacy id always moves to the current one. */
  #touchLoaded (
    storedIds: StoredIds, session: SessionData, loaded: LoadedRow, done: Done<void>
  ): void {
    const [sid = ''] = storedIds
    if (loaded.sid === sid && !this.#lifetimes.isTouchDue(session, loaded)) {
      process.nextTick(done, null)
      return
    }
    const { sess, seen, lifetimeMs } = loaded
    const attach = onSuccess<Written | undefined>(done, (written) => {
      if (written === undefined) return
      const nowMs = loaded.databaseNow()
      attachRow(session, new LoadedRow({ sid, ...written, nowMs, sess, seen, lifetimeMs }))
    })
    this.#table.touch({ storedIds, ...this.#lifetimes.of(session), lifetimeMs: null }, attach)
  }
}

/** Whether the session differs from the row, in its content or in how long its cookie lives. */
const hasChanged = (session: SessionData, content: string, loaded: LoadedRow): boolean =>
  loaded.content !== content || !isSameLifetime(loaded.lifetimeMs, lifetimeOf(session))

function attachInserted (
  session: SessionData, { sid, sess, lifetimeMs }: Insert, { version, expireMs, createdMs }: Inserted
): void {
  let written = sess
  if (lifetimeMs !== null) {
    session.createdAt = createdMs
    written = `${sess.slice(0, -1)},"createdAt":${createdMs}}`
  }
  attachRow(session, new LoadedRow({
    sid, version, expireMs, nowMs: createdMs, sess: written, lifetimeMs: lifetimeOf(session)
  }))
}

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
