import type { Pool } from 'pg'
import { Database } from './database.js'
import { ERR_DATABASE } from './errors.js'
import { ExpressStore, type Callback } from './express-store.js'
import { SessionIds } from './ids.js'
import { SessionLeases, type Busy, type Lease } from './leases.js'
import { Lifetimes, MAX_MS } from './lifetimes.js'
import { carry, LoadedRow, loadedRow } from './loaded.js'
import { ownPool, settings, type PgSessionStoreOptions } from './options.js'
import { Pruner } from './pruner.js'
import { parse, type AnySession, type LoadedSession, type SessionData } from './serialise.js'
import { storePromises, type StorePromises } from './promises.js'
import { SessionTable, type Row } from './table.js'
import { publicId, type UserSession } from './user-session.js'
import { SessionWriter } from './writer.js'

export type { Busy, Callback, Lease, PgSessionStoreOptions, SessionData, UserSession }

/**
 * A session store in PostgreSQL, for @fastify/session and express-session alike.
 *
 * The column `expire` is the truth about a session's life; the database's clock decides. A session that
 * was loaded is only ever updated, so a logout stays a logout; one that did not change is not written,
 * and its expiry moves at most once in `touchInterval`.
 *
 * Every method calls back once, with an error that has `code` `ERR_DATABASE` and `statusCode` 503 when
 * PostgreSQL does not answer in time, or `ERR_SESSION_VALUE` when the session cannot be stored.
 */
export class PgSessionStore extends ExpressStore {
  readonly #pool: Pool
  readonly #ownsPool: boolean
  readonly #database: Database
  readonly #table: SessionTable
  readonly #ids: SessionIds
  readonly #pruner: Pruner
  readonly #lifetimes: Lifetimes
  readonly #writer: SessionWriter
  readonly #leases: SessionLeases
  readonly #errorLog: (message: string, error?: unknown) => void
  #closing: Promise<void> | undefined

  /** Sessions that two requests changed at once, and those of them where one key was changed by both. */
  readonly conflicts: Readonly<{ merged: number, overwritten: number }>

  /** The methods with a callback, as promises. */
  readonly promises: StorePromises

  constructor (options: PgSessionStoreOptions) {
    super()
    const checked = settings(options)
    this.#errorLog = options.errorLog ?? ((message, error) => { this.emit('warning', message, error) })
    this.#ownsPool = options.pool === undefined
    this.#pool = options.pool ?? ownPool(options)
    // Without a listener, an idle connection that the server ends would end the process.
    if (this.#ownsPool) this.#pool.on('error', (error) => { this.#errorLog('An idle database connection was lost', error) })
    this.#ids = new SessionIds(checked.keys)
    this.#lifetimes = new Lifetimes(checked)
    this.#database = new Database(this.#pool, checked)
    this.#table = new SessionTable(this.#database)
    this.#leases = new SessionLeases(this.#database)
    this.#writer = new SessionWriter(this.#table, this.#ids, this.#lifetimes, (message) => { this.#errorLog(message) })
    this.conflicts = this.#writer.conflicts
    this.promises = storePromises(this)
    this.#pruner = new Pruner(this.#table, checked.pruneIntervalMs, this.#errorLog)
  }

  /** The live session of this id, or null. Where its cookie has an expiry, that is the row's. */
  get (id: string, callback: Callback<LoadedSession | null>): void {
    const sids = this.#ids.candidates(id)
    if (sids.length === 0) { process.nextTick(callback, null, null); return }
    this.#table.get(sids, (error, row) => {
      if (error !== null) { callBack(callback, error); return }
      let session: LoadedSession | null
      try {
        session = row === undefined ? null : this.#session(row)
      } catch (thrown) { // by `errorLog`
        callBack(callback, thrown)
        return
      }
      callBack(callback, null, session)
    })
  }

  /**
   * Stores a session. A loaded one is updated if it changed and is still there, touched if it did not;
   * any other is inserted.
   */
  set (id: string, session: SessionData | AnySession, callback?: Callback): void {
    try {
      this.#writer.set(id, session as SessionData, (error) => { callBack(callback, error) })
    } catch (error) {
      if (callback !== undefined) process.nextTick(callback, error)
    }
  }

  /** Moves the expiry of a live session, if `touchInterval` has passed since it was last moved. */
  touch (id: string, session: SessionData | AnySession, callback?: Callback): void {
    try {
      this.#writer.touch(id, session as SessionData, (error) => { callBack(callback, error) })
    } catch (error) { // an expiry that is no date
      if (callback !== undefined) process.nextTick(callback, error)
    }
  }

  /** Ends a session. Succeeds when there is none. */
  destroy (id: string, callback?: Callback): void {
    const sids = this.#ids.candidates(id)
    if (sids.length > 0) this.#table.destroy(sids, (error) => { callBack(callback, error) })
    else if (callback !== undefined) process.nextTick(callback, null)
  }

  /** Every live session. For small tables: they are all in memory at once. */
  all (callback: Callback<LoadedSession[]>): void {
    settle(this.#all(), callback)
  }

  /** The number of live sessions. */
  length (callback: Callback<number>): void {
    settle(this.#length(), callback)
  }

  /** Removes every session. */
  clear (callback?: Callback): void {
    settle(this.#clear(), callback)
  }

  /**
   * Stores what belongs to one id for some time and is read once: such as a login transaction. `absoluteTtl` does not apply.
   *
   * @param ttl seconds.
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async put (id: string, data: Record<string, unknown>, ttl: number): Promise<void> {
    await this.#writer.putOnce(id, data, ttl * 1000)
  }

  /**
   * The live session of this id, removed: of any number of callers, in any process, one gets it.
   *
   * @throws {ERR_DATABASE}
   */
  async consume (id: string): Promise<SessionData | null> {
    const sids = this.#ids.candidates(id)
    if (sids.length === 0) return null
    const sess = await this.#table.consume(sids)
    return sess === undefined ? null : parse(sess) ?? null
  }

  /**
   * Inserts a new session and ends others, in one statement: both happen, or neither.
   *
   * @param id of the new session; there is none of this id.
   * @param formerIds of the sessions that end.
   * @returns what each of those held, as it was at that moment; null where it was not live.
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async replace (id: string, session: SessionData | AnySession, formerIds: readonly string[]): Promise<(SessionData | null)[]> {
    const ended = await this.#writer.replace(id, session as SessionData, formerIds)
    return ended.map((sess) => sess === undefined ? null : parse(sess) ?? null)
  }

  /**
   * The live sessions whose `user.sub` is `sub`, the last used first.
   *
   * @throws {ERR_DATABASE}
   */
  async listByUser (sub: string): Promise<UserSession[]> {
    const rows = isText(sub) ? await this.#table.listByUser(sub) : []
    return rows.flatMap((row) => {
      const session = this.#session(row)
      return session === null ? [] : [{ id: publicId(row.sid), session, expiresAt: new Date(row.expire_ms) }]
    })
  }

  /**
   * Ends every session whose `user.sub` is `sub`: after a password change, or because the account was disabled.
   *
   * @param options.except the session id, as in the cookie, of the one that stays.
   * @returns how many live sessions were ended.
   * @throws {ERR_DATABASE}
   */
  async destroyByUser (sub: string, { except }: { except?: string } = {}): Promise<number> {
    return isText(sub) ? this.#table.destroyByUser(sub, except === undefined ? [] : this.#ids.candidates(except)) : 0
  }

  /**
   * The exclusive right to do something with one session, across processes: a row that expires by itself.
   *
   * @param durationMs must exceed the time that the work takes.
   * @throws {ERR_DATABASE}
   */
  async acquireLease (sessionId: string, durationMs: number): Promise<Lease | Busy> {
    return this.#leases.acquire(sessionId, durationMs)
  }

  /** Removes expired rows, in batches. Resolves to their number; 0 when another instance is at it. @throws {ERR_DATABASE} */
  async prune (): Promise<number> {
    return this.#pruner.prune()
  }

  /** Creates the table unless it is there. Otherwise the first statement does. @throws {ERR_DATABASE} */
  async createTable (): Promise<void> {
    await this.#database.create()
  }

  /** Resolves when sessions can be read and written. @throws {ERR_DATABASE} */
  async ping (): Promise<void> {
    if (!await this.#table.isWritable()) throw new ERR_DATABASE({ cause: new Error('the database is read-only') })
  }

  /** Whether this session object was loaded from a row, or written to one. */
  isStored (session: object): boolean {
    return loadedRow(session) !== undefined
  }

  /** When the session expires as far as is known, in milliseconds since 1970 on the database's clock; undefined for a guest. */
  expiresAt (session: object): number | undefined {
    return loadedRow(session)?.expireMs
  }

  /** The present on the database's clock, in milliseconds since 1970, as this session object knows it; undefined for a guest. */
  databaseNow (session: object): number | undefined {
    return loadedRow(session)?.databaseNow()
  }

  /** Stops pruning, and closes the pool if it is the store's own. */
  async close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    await this.#pruner.close()
    if (this.#ownsPool) await this.#pool.end()
  }

  async #all (): Promise<LoadedSession[]> {
    const rows = await this.#table.all()
    return rows.map((row) => this.#session(row)).filter((session) => session !== null)
  }

  async #length (): Promise<number> {
    return this.#table.count()
  }

  async #clear (): Promise<void> {
    await this.#table.clear()
  }

  #session (row: Row): LoadedSession | null {
    const session = parse(row.sess)
    if (session === undefined) {
      this.#errorLog('A row of the session table does not hold a session; it is not served')
      return null
    }
    // Another application's store, on the same table, may have moved it past the absolute lifetime.
    const expireMs = Math.min(row.expire_ms, this.#lifetimes.limitMs(session) ?? MAX_MS)
    if (expireMs <= row.now_ms) return null
    const { expires = null, originalMaxAge = null } = session.cookie ??= {}
    // The instance's clock is off by some amount; the difference of two readings of one clock is not.
    // A cookie without an expiry stays one: with the row's, it would never be extended again.
    if (expires !== null || originalMaxAge !== null) session.cookie.expires = new Date(Math.min(Date.now() + expireMs - row.now_ms, MAX_MS))
    carry(session, new LoadedRow({ sid: row.sid, version: row.version, expireMs, nowMs: row.now_ms, sess: row.sess, lifetime: originalMaxAge }))
    return session as LoadedSession
  }
}

/** Tells the caller, once. What his callback throws is his, and nobody else's who came back at the same moment. */
function callBack<Value> (callback: Callback<Value> | undefined, error: unknown, value?: Value): void {
  try {
    callback?.(error, value)
  } catch (thrown) {
    process.nextTick(() => { throw thrown })
  }
}

/** Hands the outcome to `callback` once, outside the promise. */
function settle<Value> (promise: Promise<Value>, callback?: Callback<Value>): void {
  promise.then((value) => { callBack(callback, null, value) }, (error: unknown) => { callBack(callback, error) })
}

/** PostgreSQL refuses a NUL in a text parameter (SQLSTATE 22021): nobody has it in his name. */
const isText = (sub: unknown): sub is string => typeof sub === 'string' && sub !== '' && !sub.includes('\0')
