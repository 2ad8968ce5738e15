import type { Pool } from 'pg'
import { Database } from './database.js'
import { ERR_DATABASE, ERR_SESSION_VALUE } from './errors.js'
import { ExpressStore, type Callback } from './express-store.js'
import { SessionIds } from './ids.js'
import { carry, LoadedRow, loadedRow, remember } from './loaded.js'
import { merge } from './merge.js'
import { ownPool, settings, type PgSessionStoreOptions, type Settings } from './options.js'
import { Pruner } from './pruner.js'
import { contentOf, lifetimeOf, parse, serialise, type AnySession, type LoadedSession, type SessionData } from './serialise.js'
import { SessionTable, type Row, type Sids } from './table.js'
import { publicId, type UserSession } from './user-session.js'

export type { Callback, PgSessionStoreOptions, SessionData, UserSession }

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
  readonly #settings: Settings
  readonly #errorLog: (message: string, error?: unknown) => void
  #closing: Promise<void> | undefined

  /** Sessions that two requests changed at once, and those of them where one key was changed by both. */
  readonly conflicts = { merged: 0, overwritten: 0 }

  constructor (options: PgSessionStoreOptions) {
    super()
    this.#settings = settings(options)
    this.#errorLog = options.errorLog ?? ((message, error) => { this.emit('warning', message, error) })
    this.#ownsPool = options.pool === undefined
    this.#pool = options.pool ?? ownPool(options)
    // Without a listener, an idle connection that the server ends would end the process.
    if (this.#ownsPool) this.#pool.on('error', (error) => { this.#errorLog('An idle database connection was lost', error) })
    this.#ids = new SessionIds(this.#settings.keys)
    this.#database = new Database(this.#pool, this.#settings)
    this.#table = new SessionTable(this.#database)
    this.#pruner = new Pruner(this.#table, this.#settings.pruneIntervalMs, this.#errorLog)
  }

  /** The live session of this id, or null. Where its cookie has an expiry, that is the row's. */
  get (id: string, callback: Callback<LoadedSession | null>): void {
    const sids = this.#ids.candidates(id)
    if (sids.length === 0) { process.nextTick(callback, null, null); return }
    this.#table.get(sids, (error, row) => {
      if (error !== null) { process.nextTick(callback, error); return }
      try {
        process.nextTick(callback, null, row === undefined ? null : this.#session(row))
      } catch (thrown) { // by `errorLog`
        process.nextTick(callback, thrown)
      }
    })
  }

  /**
   * Stores a session. A loaded one is updated if it changed and is still there, touched if it did not;
   * any other is inserted.
   */
  set (id: string, session: SessionData | AnySession, callback: Callback = () => {}): void {
    try {
      const writing = this.#set(id, session as SessionData)
      if (writing === undefined) process.nextTick(callback, null)
      else settle(writing, callback)
    } catch (error) {
      process.nextTick(callback, error)
    }
  }

  /** Moves the expiry of a live session, if `touchInterval` has passed since it was last moved. */
  touch (id: string, session: SessionData | AnySession, callback?: Callback): void {
    settle(this.#touch(id, session as SessionData), callback)
  }

  /** Ends a session. Succeeds when there is none. */
  destroy (id: string, callback?: Callback): void {
    settle(this.#destroy(id), callback)
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
   * The live session of this id, removed: of any number of callers, in any process, one gets it.
   *
   * @throws {ERR_DATABASE}
   */
  async take (id: string): Promise<SessionData | null> {
    const sids = this.#ids.candidates(id)
    if (sids.length === 0) return null
    const sess = await this.#table.take(sids)
    return sess === undefined ? null : parse(sess) ?? null
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

  /** Undefined: there is nothing to do. @throws {ERR_SESSION_VALUE} */
  #set (id: string, session: SessionData): Promise<void> | undefined {
    const content = contentOf(session)
    const sids = this.#ids.candidates(id)
    const [sid] = sids
    if (sid === undefined) throw new ERR_SESSION_VALUE('its id is not one')
    const loaded = loadedFrom(session, sids)
    if (loaded === undefined) return this.#put(sid, session, content)
    if (loaded.lifetime !== lifetimeOf(session) || loaded.content !== content) return this.#update(sids, session, loaded, content)
    return this.#needsTouch(sids, session, loaded) ? this.#touchLoaded(sids, session, loaded) : undefined
  }

  async #put (sid: string, session: SessionData, content: string): Promise<void> {
    const sess = serialise(session, content)
    const lifetimeMs = typeof session.createdAt === 'number' ? null : this.#settings.absoluteTtlMs ?? null
    const row = await this.#table.put({ sid, sess, durationMs: this.#durationMs(session), limitMs: this.#limitMs(session), lifetimeMs })
    if (row === undefined) return
    const { version, expireMs, createdMs: nowMs } = row
    const known = { sid, version, expireMs, nowMs, lifetime: lifetimeOf(session) }
    if (lifetimeMs === null) {
      remember(session, new LoadedRow({ ...known, sess }))
      return
    }
    session.createdAt = nowMs
    remember(session, new LoadedRow({ ...known, sess: `${sess.slice(0, -1)},"createdAt":${nowMs}}` }))
  }

  /** Writes a change where nobody else wrote one meanwhile; else both are kept. */
  async #update (sids: Sids, session: SessionData, loaded: LoadedRow, content: string): Promise<void> {
    const began = performance.now()
    const [sid = ''] = sids
    const sess = serialise(session, content)
    const lifetime = lifetimeOf(session)
    const limitMs = this.#limitMs(session)
    const durationMs = lifetime === loaded.lifetime && !this.#isTouchDue(session, loaded) ? null : this.#durationMs(session)
    const written = (row: { version: string, expireMs: number }, sess: string, seen?: string) => {
      remember(session, new LoadedRow({ sid, ...row, nowMs: loaded.databaseNow(), lifetime, sess, ...(seen === undefined ? {} : { seen }) }))
    }
    if (loaded.sid === sid && loaded.seen === loaded.sess) {
      const row = await this.#table.write({ sid, version: loaded.version, sess, durationMs, limitMs })
      if (row !== undefined) { written(row, sess); return }
    }

    // Somebody has it locked, touched it, changed it or ended it.
    let base = loaded.sess
    let merged = loaded.seen !== base
    let overwritten: string[] = []
    for (let attempt = 1; attempt <= MAX_MERGES; attempt++) {
      let text = sess
      if (merged) {
        const both = merge(parse(loaded.seen) ?? {}, session, parse(base) ?? {})
        text = serialise(both.session)
        overwritten = both.overwritten
      }
      // All attempts together have the time of one call.
      const outcome = await this.#table.update({ sids, base, sess: text, durationMs, limitMs }, performance.now() - began)
      if (outcome === undefined) return // it was ended meanwhile, and stays so
      if ('expireMs' in outcome) {
        written(outcome, text, sess)
        if (attempt > 1) this.#merged(overwritten)
        return
      }
      base = outcome.current
      merged = true
    }
    throw new ERR_DATABASE({ cause: new Error('too many requests change one session at once') })
  }

  #merged (overwritten: string[]): void {
    this.conflicts.merged++
    if (overwritten.length > 0) this.conflicts.overwritten++
    this.#errorLog(overwritten.length === 0
      ? 'Two requests changed one session at once; both changes were kept'
      : `Two requests changed one session at once; the later one was kept of ${overwritten.join(', ')}`)
  }

  async #touch (id: string, session: SessionData): Promise<void> {
    const sids = this.#ids.candidates(id)
    if (sids.length === 0) return
    const loaded = loadedFrom(session, sids)
    if (loaded !== undefined) return this.#needsTouch(sids, session, loaded) ? this.#touchLoaded(sids, session, loaded) : undefined
    await this.#table.touch({ sids, durationMs: this.#durationMs(session), limitMs: this.#limitMs(session), lifetimeMs: this.#settings.absoluteTtlMs ?? null })
  }

  async #touchLoaded (sids: Sids, session: SessionData, loaded: LoadedRow): Promise<void> {
    const [sid = ''] = sids
    const row = await this.#table.touch({ sids, durationMs: this.#durationMs(session), limitMs: this.#limitMs(session), lifetimeMs: null })
    if (row === undefined) return
    const { sess, seen, lifetime } = loaded
    remember(session, new LoadedRow({ sid, ...row, nowMs: loaded.databaseNow(), sess, seen, lifetime }))
  }

  /** A row found in an older form takes the written one, too. */
  #needsTouch (sids: Sids, session: SessionData, loaded: LoadedRow): boolean {
    return loaded.sid !== sids[0] || this.#isTouchDue(session, loaded)
  }

  #isTouchDue (session: SessionData, loaded: LoadedRow): boolean {
    const durationMs = this.#durationMs(session)
    const limitMs = this.#limitMs(session)
    const wanted = Math.min(loaded.databaseNow() + durationMs, limitMs ?? Infinity)
    const gain = Math.abs(wanted - loaded.expireMs)
    // Close to the absolute limit the gain stays small: the last touch, which reaches it, is due whatever it gains.
    return gain >= (wanted === limitMs ? 1 : Math.min(this.#settings.touchIntervalMs, durationMs / 2))
  }

  async #destroy (id: string): Promise<void> {
    const sids = this.#ids.candidates(id)
    if (sids.length > 0) await this.#table.destroy(sids)
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
    const expireMs = Math.min(row.expire_ms, this.#limitMs(session) ?? MAX_MS)
    if (expireMs <= row.now_ms) return null
    const { expires = null, originalMaxAge = null } = session.cookie ??= {}
    // The instance's clock is off by some amount; the difference of two readings of one clock is not.
    // A cookie without an expiry stays one: with the row's, it would never be extended again.
    if (expires !== null || originalMaxAge !== null) session.cookie.expires = new Date(Math.min(Date.now() + expireMs - row.now_ms, MAX_MS))
    carry(session, new LoadedRow({ sid: row.sid, version: row.version, expireMs, nowMs: row.now_ms, sess: row.sess, lifetime: originalMaxAge }))
    return session as LoadedSession
  }

  /** How long the session may idle from now: what its cookie says, or `ttl`. */
  #durationMs ({ cookie }: SessionData): number {
    if (cookie?.expires === undefined || cookie.expires === null) return this.#settings.ttlMs
    const durationMs = new Date(cookie.expires).getTime() - Date.now()
    return Number.isFinite(durationMs) ? Math.max(durationMs, 0) : this.#settings.ttlMs
  }

  /** When the absolute lifetime ends, in milliseconds since 1970 on the database's clock; null: never. */
  #limitMs ({ createdAt }: SessionData): number | null {
    const { absoluteTtlMs } = this.#settings
    if (absoluteTtlMs === undefined || typeof createdAt !== 'number') return null
    return Math.min(Math.max(createdAt + absoluteTtlMs, 0), MAX_MS)
  }
}

/** The last moment that a Date can hold. */
const MAX_MS = 8.64e15

/** How often a change is merged with another at most, before it is given up. */
const MAX_MERGES = 20

/** What the session object knows of the row of this id. Content that was copied from another session's object is new. */
function loadedFrom (session: object, sids: Sids): LoadedRow | undefined {
  const loaded = loadedRow(session)
  return loaded !== undefined && sids.includes(loaded.sid) ? loaded : undefined
}

/** Hands the outcome to `callback` once, outside the promise: what the callback throws is the caller's. */
function settle<Value> (promise: Promise<Value>, callback: Callback<Value> = () => {}): void {
  promise.then(
    (value) => { process.nextTick(callback, null, value) },
    (error: unknown) => { process.nextTick(callback, error) }
  )
}

/** PostgreSQL refuses a NUL in a text parameter (SQLSTATE 22021): nobody has it in his name. */
const isText = (sub: unknown): sub is string => typeof sub === 'string' && sub !== '' && !sub.includes('\0')
