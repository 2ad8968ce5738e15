import { Pool, type PoolConfig } from 'pg'
import { Database } from './database.js'
import { ERR_DATABASE, ERR_SESSION_VALUE } from './errors.js'
import { ExpressStore, type Callback } from './express-store.js'
import { SessionIds } from './ids.js'
import { carry, LoadedRow, loadedRow, remember } from './loaded.js'
import { Pruner } from './pruner.js'
import { merge } from './merge.js'
import { contentOf, fromContent, parse, serialise, type SessionData } from './serialise.js'
import { SessionTable, type Row, type Sids } from './table.js'

export interface PgSessionStoreOptions {
  /** The pool to use; it is not closed with the store. One of `pool`, `conString` and `conObject` is needed. */
  pool?: Pool
  /** A connection string for a pool of the store's own. */
  conString?: string
  /** The configuration of a pool of the store's own. */
  conObject?: PoolConfig
  /** Default: the first schema of the search path that has the table. */
  schemaName?: string
  /** @default 'session' */
  tableName?: string
  /** @default true */
  createTableIfMissing?: boolean
  /** Idle lifetime in seconds, where the session's cookie has no expiry of its own. @default 900 */
  ttl?: number
  /** Lifetime in seconds whatever the use. Default: none. */
  absoluteTtl?: number
  /** A session's expiry is moved at most once in this many seconds, and at least twice in its lifetime. @default 60 */
  touchInterval?: number
  /** Keys: `sid` holds only HMAC-SHA256(first key, id). The others still find rows. Default `false`: `sid` holds the id. */
  hashIds?: false | string | Buffer | readonly (string | Buffer)[]
  /** Expired rows are removed this often, in seconds; `false`: never. @default 60 */
  pruneSessionInterval?: number | false
  /** What nobody is waiting for an answer of is reported here. Default: the event `warning`. */
  errorLog?: (message: string, error?: unknown) => void
}

export type { Callback }

/** Bounds of the store's own pool: with pg's defaults, a query waits for ever when the database stalls. */
const POOL_BOUNDS = {
  connectionTimeoutMillis: 2000, query_timeout: 3000, keepAlive: true, keepAliveInitialDelayMillis: 10_000, maxLifetimeSeconds: 300
}

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
  readonly #ttlMs: number
  readonly #absoluteTtlMs: number | undefined
  readonly #touchIntervalMs: number
  readonly #errorLog: (message: string, error?: unknown) => void
  #closing: Promise<void> | undefined

  /** Sessions that two requests changed at once, and those of them where one key was changed by both. */
  readonly conflicts = { merged: 0, overwritten: 0 }

  constructor (options: PgSessionStoreOptions) {
    super()
    this.#errorLog = options.errorLog ?? ((message, error) => { this.emit('warning', message, error) })
    this.#ownsPool = options.pool === undefined
    this.#pool = options.pool ?? ownPool(options)
    // Without a listener, an idle connection that the server ends would end the process.
    if (this.#ownsPool) this.#pool.on('error', (error) => { this.#errorLog('An idle database connection was lost', error) })
    this.#ttlMs = seconds('ttl', options.ttl ?? 900)
    this.#absoluteTtlMs = options.absoluteTtl === undefined ? undefined : seconds('absoluteTtl', options.absoluteTtl)
    this.#touchIntervalMs = seconds('touchInterval', options.touchInterval ?? 60)
    this.#ids = new SessionIds(keys(options.hashIds))
    this.#database = new Database(this.#pool, {
      tableName: options.tableName ?? 'session',
      schemaName: options.schemaName,
      createIfMissing: options.createTableIfMissing ?? true
    })
    this.#table = new SessionTable(this.#database)
    const { pruneSessionInterval: interval = 60 } = options
    this.#pruner = new Pruner(this.#table, interval === false ? undefined : seconds('pruneSessionInterval', interval), this.#errorLog)
  }

  /** The live session of this id, or null. Where its cookie has an expiry, that is the row's. */
  get (id: string, callback: Callback<SessionData | null>): void {
    settle(this.#get(id), callback)
  }

  /**
   * Stores a session. A loaded one is updated if it changed and is still there, touched if it did not;
   * any other is inserted.
   */
  set (id: string, session: SessionData, callback?: Callback): void {
    settle(this.#set(id, session), callback)
  }

  /** Moves the expiry of a live session, if `touchInterval` has passed since it was last moved. */
  touch (id: string, session: SessionData, callback?: Callback): void {
    settle(this.#touch(id, session), callback)
  }

  /** Ends a session. Succeeds when there is none. */
  destroy (id: string, callback?: Callback): void {
    settle(this.#destroy(id), callback)
  }

  /** Every live session. For small tables: they are all in memory at once. */
  all (callback: Callback<SessionData[]>): void {
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

  async #get (id: string): Promise<SessionData | null> {
    const sids = this.#ids.candidates(id)
    if (sids.length === 0) return null
    const row = await this.#table.get(sids)
    return row === undefined ? null : this.#session(row)
  }

  async #set (id: string, session: SessionData): Promise<void> {
    const { sess, content } = serialise(session)
    const sids = this.#ids.candidates(id)
    const [sid] = sids
    if (sid === undefined) throw new ERR_SESSION_VALUE('its id is not one')
    const loaded = loadedFrom(session, sids)
    if (loaded === undefined) return this.#put(sid, session, sess, content)
    if (loaded.content === content) return this.#touchLoaded(sids, session, loaded)
    await this.#update(sids, session, loaded, sess, content)
  }

  async #put (sid: string, session: SessionData, sess: string, content: string): Promise<void> {
    const durationMs = this.#durationMs(session)
    const lifetimeMs = typeof session.createdAt === 'number' ? null : this.#absoluteTtlMs ?? null
    const row = await this.#table.put({ sid, sess, durationMs, limitMs: this.#limitMs(session), lifetimeMs })
    if (row === undefined) return
    const { expireMs, createdMs } = row
    if (lifetimeMs === null) {
      remember(session, new LoadedRow({ sid, expireMs, nowMs: createdMs, content, sess }))
      return
    }
    session.createdAt = createdMs
    remember(session, new LoadedRow({ sid, expireMs, nowMs: createdMs, content: contentOf(session), sess: `${sess.slice(0, -1)},"createdAt":${createdMs}}` }))
  }

  /** Writes a change where nobody else wrote one meanwhile; else both are kept. */
  async #update (sids: Sids, session: SessionData, loaded: LoadedRow, sess: string, content: string): Promise<void> {
    const times = { durationMs: this.#durationMs(session), limitMs: this.#limitMs(session) }
    let base = loaded.sess
    let { merged } = loaded
    let overwritten: string[] = []
    for (let attempt = 1; attempt <= MAX_MERGES; attempt++) {
      let text = sess
      if (merged) {
        const both = merge(fromContent(loaded.content), session, parse(base) ?? {})
        text = serialise(both.session).sess
        overwritten = both.overwritten
      }
      const outcome = await this.#table.update({ sids, base, sess: text, ...times })
      if (outcome === undefined) return // it was ended meanwhile, and stays so
      if ('expireMs' in outcome) {
        remember(session, new LoadedRow({ sid: sids[0] ?? '', expireMs: outcome.expireMs, nowMs: loaded.databaseNow(), content, sess: text, merged }))
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
    if (loaded !== undefined) return this.#touchLoaded(sids, session, loaded)
    await this.#table.touch({ sids, durationMs: this.#durationMs(session), limitMs: this.#limitMs(session), lifetimeMs: this.#absoluteTtlMs ?? null })
  }

  async #touchLoaded (sids: string[], session: SessionData, loaded: LoadedRow): Promise<void> {
    const durationMs = this.#durationMs(session)
    const limitMs = this.#limitMs(session)
    const wanted = Math.min(loaded.databaseNow() + durationMs, limitMs ?? Infinity)
    const gain = Math.abs(wanted - loaded.expireMs)
    const [sid = ''] = sids
    // Close to the absolute limit the gain stays small: the last touch, which reaches it, is due whatever it gains.
    const due = wanted === limitMs ? 1 : Math.min(this.#touchIntervalMs, durationMs / 2)
    if (loaded.sid === sid && gain < due) return
    const expireMs = await this.#table.touch({ sids, durationMs, limitMs, lifetimeMs: null })
    if (expireMs === undefined) return
    remember(session, new LoadedRow({ sid, expireMs, nowMs: loaded.databaseNow(), content: loaded.content, sess: loaded.sess, merged: loaded.merged }))
  }

  async #destroy (id: string): Promise<void> {
    const sids = this.#ids.candidates(id)
    if (sids.length > 0) await this.#table.destroy(sids)
  }

  async #all (): Promise<SessionData[]> {
    const rows = await this.#table.all()
    return rows.map((row) => this.#session(row)).filter((session) => session !== null)
  }

  async #length (): Promise<number> {
    return this.#table.count()
  }

  async #clear (): Promise<void> {
    await this.#table.clear()
  }

  #session (row: Row): SessionData | null {
    const session = parse(row.sess)
    if (session === undefined) {
      this.#errorLog('A row of the session table does not hold a session; it is not served')
      return null
    }
    // Another application's store, on the same table, may have moved it past the absolute lifetime.
    const expireMs = Math.min(row.expire_ms, this.#limitMs(session) ?? MAX_MS)
    if (expireMs <= row.now_ms) return null
    const content = contentOf(session)
    const { expires = null, originalMaxAge = null } = session.cookie ??= {}
    // The instance's clock is off by some amount; the difference of two readings of one clock is not.
    // A cookie without an expiry stays one: with the row's, it would never be extended again.
    if (expires !== null || originalMaxAge !== null) session.cookie.expires = new Date(Math.min(Date.now() + expireMs - row.now_ms, MAX_MS))
    carry(session, new LoadedRow({ sid: row.sid, expireMs, nowMs: row.now_ms, content, sess: row.sess }))
    return session
  }

  /** How long the session may idle from now: what its cookie says, or `ttl`. */
  #durationMs ({ cookie }: SessionData): number {
    if (cookie?.expires === undefined || cookie.expires === null) return this.#ttlMs
    const durationMs = new Date(cookie.expires).getTime() - Date.now()
    return Number.isFinite(durationMs) ? Math.max(durationMs, 0) : this.#ttlMs
  }

  /** When the absolute lifetime ends, in milliseconds since 1970 on the database's clock; null: never. */
  #limitMs ({ createdAt }: SessionData): number | null {
    if (this.#absoluteTtlMs === undefined || typeof createdAt !== 'number') return null
    return Math.min(Math.max(createdAt + this.#absoluteTtlMs, 0), MAX_MS)
  }
}

/** The last moment that a Date can hold. */
const MAX_MS = 8.64e15

/** How often a change is merged with another at most, before it is given up. */
const MAX_MERGES = 20

/** What the session object knows of the row of this id. Content that was copied from another session's object is new. */
function loadedFrom (session: object, sids: string[]): LoadedRow | undefined {
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

function ownPool ({ conString, conObject }: PgSessionStoreOptions): Pool {
  if (conString === undefined && conObject === undefined) throw new TypeError('PgSessionStore needs one of pool, conString and conObject')
  return new Pool({ ...POOL_BOUNDS, ...(conString === undefined ? {} : { connectionString: conString }), ...conObject })
}

/** In milliseconds. */
function seconds (name: string, value: number): number {
  if (!Number.isFinite(value) || value <= 0) throw new TypeError(`PgSessionStore: ${name} must be a number of seconds above 0`)
  return value * 1000
}

function keys (hashIds: PgSessionStoreOptions['hashIds'] = false): readonly (string | Buffer)[] {
  if (hashIds === false) return []
  const list = Array.isArray(hashIds) ? hashIds as readonly (string | Buffer)[] : [hashIds as string | Buffer]
  const isKey = (key: unknown) => (typeof key === 'string' || Buffer.isBuffer(key)) && Buffer.byteLength(key) >= 32
  if (list.length === 0 || !list.every(isKey)) throw new TypeError('PgSessionStore: hashIds must be false, or keys of 32 bytes or more')
  return list
}
