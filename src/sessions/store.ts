import type { Pool } from 'pg'
import { Amender, type AmendedTimes, type Amendment } from './amend.js'
import { attachedRow, deliver } from './attached.js'
import type { Done } from './batch.js'
import { callBack, callBackWith, outcomeOf, type Callback } from './callback.js'
import { Database, type StatementOutcome } from './database.js'
import { EndedIds } from './ended-ids.js'
import { ERR_DATABASE } from './errors.js'
import { ExpressStore } from './express-store.js'
import { SessionIds } from './ids.js'
import { SessionInserter, type ReplaceEvents } from './inserter.js'
import { hasInsecureCookie, INSECURE_COOKIE } from './insecure-cookie.js'
import { SessionLeases, type Busy, type Lease } from './leases.js'
import { Lifetimes } from './lifetimes.js'
import { keys, lifetime, settings, type PgSessionStoreOptions, type Settings } from './options.js'
import { once } from './once.js'
import { ownPool } from './pool.js'
import { storePromises, type StorePromises } from './promises.js'
import { PendingWrites } from './pending-writes.js'
import { Pruner } from './pruner.js'
import { SessionReader } from './reader.js'
import { RecentRows } from './recent-rows.js'
import { SessFormat } from './sess-format.js'
import { parse } from './serialise.js'
import type { AuthEvent, EventOf, LooseEvent, RecordedEvent } from './statements/events.js'
import type { ConsumedRow } from './statements/consume.js'
import type { Ending } from './statements/ending.js'
import type { LiveRow } from './statements/live-row.js'
import type { Limit as SessionLimit } from './statements/replace-limited.js'
import type { Sample } from './statements/sample.js'
import type { SharedValue } from './statements/shared.js'
import type { StoredIds } from './statements/statement.js'
import { SHARED_PREFIX } from './statements/stored-id.js'
import { sessionTable, type Workload, type SessionTable } from './table.js'
import type { AnySession, LoadedSession, SessionData } from './types.js'
import { publicId, type EndedSession, type ReplacedWithin, type UserSession } from './user-session.js'
import { Views, type Viewed, type Viewer } from './viewer.js'
import { SessionWriter } from './writer.js'

export type {
  AmendedTimes, Amendment, Busy, Callback, Lease, PgSessionStoreOptions, SessionData, SharedValue, StatementOutcome,
  UserSession, Viewed, Viewer
}
export type {
  AuthEvent, EndedSession, LooseEvent, RecordedEvent, ReplacedWithin, ReplaceEvents, Sample, SessionLimit, Workload
}

/**
 * A session store in PostgreSQL, for @fastify/session and express-session alike.
 *
 * The column `expire` and the database's clock decide when a session ends. A session that was
 * loaded is only ever updated, so a destroyed session stays destroyed. A session that did not
 * change is not written; its expiry moves at most once per `touchInterval`.
 *
 * Methods fail with `ERR_DATABASE` (`statusCode` 503) when PostgreSQL does not answer within
 * `deadline`, refuses a statement, or the table cannot be used (cause: {@link SessionTableError}),
 * and with `ERR_SESSION_VALUE` (500) for a session that cannot be stored. The event `statement` tells how
 * each statement ended ({@link StatementOutcome}); its listeners must not throw. A callback is called once,
 * in the async context of the call. A call for a session sees what earlier calls of the same store
 * wrote, also while they are under way.
 */
export class PgSessionStore extends ExpressStore {
  readonly #pool: Pool
  readonly #ownsPool: boolean
  readonly #database: Database
  readonly #table: SessionTable
  readonly #ids: SessionIds
  readonly #reader: SessionReader
  readonly #writer: SessionWriter
  readonly #inserter: SessionInserter
  readonly #pending = new PendingWrites()
  readonly #ended = new EndedIds()
  readonly #lifetimes: Lifetimes
  readonly #amender: Amender
  readonly #logOnce: (message: string) => void
  readonly #leases: SessionLeases
  readonly #pruner: Pruner
  readonly #recordsEvents: boolean
  #closing: Promise<void> | undefined

  /**
   * How many times concurrent changes to a session were merged, and how many of these times they
   * changed the same key, whose earlier value was overwritten.
   */
  readonly conflicts: Readonly<{ merged: number, overwritten: number }>

  /**
   * How many calls wait for the database, queued or in flight (`pending`); how many have had an outcome (`ended`), and
   * how many milliseconds these waited for it together (`totalMs`).
   */
  readonly calls: Readonly<Record<'pending' | 'ended' | 'totalMs', number>>

  /** The methods that take a callback, as promises. */
  readonly promises: StorePromises

  /** @throws {TypeError} for an invalid option. */
  constructor (options: PgSessionStoreOptions = {}) {
    super()
    const checked = settings(options)
    const errorLog = options.errorLog ?? ((message: string, error?: unknown) => {
      this.emit('warning', message, error)
    })
    const log = (message: string) => { errorLog(message) }
    this.#logOnce = once(log)
    this.#ownsPool = options.pool === undefined
    this.#pool = options.pool ?? ownPool(options, checked.deadlineMs, errorLog)
    this.#database = new Database(this.#pool, checked, log, {
      store: this, observe: (outcome) => { this.emit('statement', outcome) }
    })
    this.#table = sessionTable(this.#database)
    this.calls = this.#table.calls
    this.#ids = new SessionIds(checked.keys)
    const lifetimes = new Lifetimes(checked)
    this.#lifetimes = lifetimes
    const tableId = identify(this.#pool, checked)
    const recent = new RecentRows()
    const format = new SessFormat(checked)
    this.#reader = new SessionReader(tableId, lifetimes, recent, log)
    const parts = { table: this.#table, tableId, ids: this.#ids, lifetimes, format, pending: this.#pending }
    this.#inserter = new SessionInserter(parts)
    this.#writer = new SessionWriter({
      ...parts,
      store: this,
      inserter: this.#inserter,
      recent,
      log,
      logOnce: this.#logOnce
    })
    this.#amender = new Amender({ table: this.#table, reader: this.#reader, lifetimes, format })
    this.#leases = new SessionLeases(this.#database)
    this.#pruner = new Pruner(this.#table, checked.pruneIntervalMs, errorLog, {
      eventsMaxAgeMs: checked.events?.maxAgeMs, store: this
    })
    this.#recordsEvents = checked.events !== undefined
    this.conflicts = this.#writer.conflicts
    this.promises = storePromises(this, this.#get.bind(this))
  }

  /**
   * Gets the live session of this id, or null. If its cookie has an expiry, it is that of the row.
   *
   * @typeParam Session as the caller, or its session library, declares it. It is not checked.
   * @throws {ERR_DATABASE}
   */
  get<Session extends object = LoadedSession> (id: string, callback: Callback<Session | null>): void {
    this.#get(id, callback as Callback<LoadedSession | null>, true)
  }

  /** @param isDelivered whether the session is for a session library. */
  #get (id: string, callback: Callback<LoadedSession | null>, isDelivered = false): void {
    this.#read(this.#ids.storedIds(id), readBy(this.#reader, callback, isDelivered))
  }

  /** Reads the live row of a session, after its pending writes. */
  #read (storedIds: StoredIds, done: Done<LiveRow | undefined>): void {
    const [sid] = storedIds
    if (sid === undefined) {
      process.nextTick(done, null, undefined)
      return
    }
    const beganMs = performance.now()
    if (this.#pending.has(sid)) {
      this.#pending.after(sid, () => { this.#table.get(storedIds, done, beganMs) })
    } else {
      this.#table.get(storedIds, done, beganMs)
    }
  }

  /**
   * Makes a function that reads sessions only to look at them, together with the calls of `get`. It is
   * cheaper: `viewOf` is called once for each version of a row, as long as its view is remembered.
   *
   * @param viewOf takes from a session what is needed. Must be pure, and keep no more than a few texts.
   * @returns a function of a session id. It rejects with `ERR_DATABASE`.
   */
  viewer<View> (viewOf: (session: SessionData) => View): Viewer<View> {
    return new Views(this.#reader, this.#lifetimes, viewOf).viewer({
      storedIds: this.#ids.storedIds,
      read: (storedIds, done) => { this.#read(storedIds, done) },
      hasEnded: (sid) => this.#ended.has(sid)
    })
  }

  /**
   * Stores a session. One that was loaded is updated if it changed and is still there, and touched
   * if it did not change. Any other is inserted.
   *
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  set (id: string, session: SessionData | AnySession, callback?: Callback): void {
    try {
      if (hasInsecureCookie(session) && !this.isStored(session)) this.#logOnce(INSECURE_COOKIE)
      this.#writer.set(id, session as SessionData, (error) => { callBack(callback, error) })
    } catch (error) {
      if (callback !== undefined) process.nextTick(callback, error)
    }
  }

  /**
   * Moves the expiry of a live session, if `touchInterval` has passed since it was last moved.
   *
   * @throws {ERR_DATABASE}
   */
  touch (id: string, session: SessionData | AnySession, callback?: Callback): void {
    this.#writer.touch(id, session as SessionData, (error) => { callBack(callback, error) })
  }

  /**
   * Moves the expiry of a live session at once, whatever `touchInterval` says, up to its absolute
   * lifetime.
   *
   * @returns whether the session is live. If so, `expiresAt` of the session object is the new expiry.
   * @throws {ERR_DATABASE} Then the expiry may have been moved all the same.
   */
  async extend (id: string, session: SessionData | AnySession): Promise<boolean> {
    return this.#writer.extend(id, session as SessionData)
  }

  /**
   * Changes the live session of this id as it is in the table, whatever loaded copies of it hold. Of concurrent calls,
   * in any process, each sees what the one before it wrote. The expiry stays. Costs two statements, and one
   * where nothing changes, or where this process made the session's last change.
   *
   * @param change of the session. It may give the same object. Must not call the store for this session.
   * @returns whether the session is live.
   * @throws {ERR_DATABASE} {ERR_SESSION_VALUE} and what `change` throws. Then nothing was changed, unless the
   *   database's answer was lost.
   */
  async amend (id: string, change: Amendment): Promise<boolean> {
    const storedIds = this.#ids.storedIds(id)
    const [sid] = storedIds
    if (sid === undefined) return false
    const beganMs = performance.now()
    return this.#pending.run([sid], () => this.#amender.amend(storedIds, change, beganMs))
  }

  /** Ends a session. Succeeds if there is none. @throws {ERR_DATABASE} */
  destroy (id: string, callback?: Callback): void {
    const storedIds = this.#ids.storedIds(id)
    if (storedIds.length > 0) {
      this.#ended.add(storedIds)
      this.#writer.destroy(storedIds, (error) => { callBack(callback, error) })
    } else if (callback !== undefined) {
      process.nextTick(callback, null)
    }
  }

  /** Gets every live session. All of them are in memory together. @throws {ERR_DATABASE} */
  all<Session extends object = LoadedSession> (callback: Callback<Session[]>): void {
    const sessions = this.#table.all().then((rows) => this.#reader.sessions(rows))
    callBackWith(sessions as unknown as Promise<Session[]>, callback)
  }

  /** Counts the live sessions. @throws {ERR_DATABASE} */
  length (callback: Callback<number>): void {
    callBackWith(this.#table.count(), callback)
  }

  /** Removes every session. @throws {ERR_DATABASE} */
  clear (callback?: Callback): void {
    callBackWith(this.#table.clear(), callback)
  }

  /**
   * Stores data under an id for `ttl` seconds, to be consumed once, such as a login transaction.
   * `absoluteTtl` does not apply.
   *
   * @throws {TypeError} if `ttl` is no number above 0, or ends after the last date of JavaScript.
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async put (id: string, data: Record<string, unknown>, ttl: number): Promise<void> {
    await this.#inserter.put(id, data, lifetime('ttl', ttl))
  }

  /**
   * Deletes the live session of this id and resolves to it, or to null. Of any number of concurrent
   * callers, in any process, only one gets it.
   *
   * @param options.reason what `endReason` tells for an hour. The same statement keeps it, in a row
   *   that holds nothing else.
   * @param options.events are recorded if the session is one of a user.
   * @throws {ERR_DATABASE}
   */
  async consume (
    id: string, { reason, events }: { reason?: string | undefined, events?: readonly AuthEvent[] | undefined } = {}
  ): Promise<SessionData | null> {
    const storedIds = this.#ids.storedIds(id)
    const [sid] = storedIds
    if (sid === undefined) return null
    const beganMs = performance.now()
    this.#ended.add(storedIds)
    return sessionIn(await this.#pending.run([sid], () => {
      const waitedMs = performance.now() - beganMs
      if (events !== undefined) {
        const input = { storedIds, reason: reason ?? null, events: this.#ofEnded(events) }
        return this.#table.consumeRecorded(input, waitedMs)
      }
      return reason === undefined
        ? this.#table.consume(storedIds, waitedMs)
        : this.#table.consumeTelling({ storedIds, reason }, waitedMs)
    }))
  }

  /**
   * Why the session of this id is not live, as far as the table shows: the `reason` that `consume` or
   * `destroyByUser` was given at most an hour ago, or `idle` or `absolute` for a session that
   * expired, until its row is pruned.
   *
   * @returns null where nothing is known, and for a live session.
   * @throws {ERR_DATABASE}
   */
  async endReason (id: string): Promise<string | null> {
    const storedIds = this.#ids.storedIds(id)
    if (storedIds.length === 0) return null
    const found = await outcomeOf<Ending | undefined>((done) => { this.#table.ending(storedIds, done) })
    if (found === undefined) return null
    return 'reason' in found ? found.reason : this.#lifetimes.endedBy(found)
  }

  /**
   * Inserts a new session and ends others, atomically.
   *
   * @param id of the new session. No session may have it yet.
   * @param formerIds of the sessions that end.
   * @param options.events are recorded for sessions of a user.
   * @returns what each of them held at that moment; null for one that was not live.
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async replace (
    id: string, session: SessionData | AnySession, formerIds: readonly string[],
    { events }: { events?: ReplaceEvents | undefined } = {}
  ): Promise<(SessionData | null)[]> {
    this.#checkEvents(events)
    this.#ended.add(formerIds.flatMap((formerId) => this.#ids.storedIds(formerId)))
    const ended = await this.#inserter.replace(id, session as SessionData, formerIds, events)
    return ended.map(sessionIn)
  }

  /**
   * As `replace`, but the user never has more than `limit.max` sessions. Calls for one user, in any
   * process, come one after the other. Costs a transaction instead of a statement.
   *
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async replaceWithin (
    limit: SessionLimit, id: string, session: SessionData | AnySession, formerIds: readonly string[],
    options: { events?: ReplaceEvents | undefined } = {}
  ): Promise<ReplacedWithin> {
    if (!isUser(limit.user)) {
      return { isRefused: false, ended: await this.replace(id, session, formerIds, options), surplus: [] }
    }
    this.#checkEvents(options.events)
    const { written, ended, surplus } =
      await this.#inserter.replaceLimited(id, session as SessionData, formerIds, limit, options.events)
    this.#logSlowByUser()
    if (written === undefined) return { isRefused: true, ended: [], surplus: [] }
    this.#ended.add(formerIds.flatMap((formerId) => this.#ids.storedIds(formerId)))
    return { isRefused: false, ended: ended.map(sessionIn), surplus: this.#endedSessions(surplus) }
  }

  /**
   * The ids by which `listByUser` may name the session of this id: one, or several while its row may
   * have one of several stored ids.
   */
  publicIds (id: string): string[] {
    return this.#ids.storedIds(id).map(publicId)
  }

  /**
   * The live sessions of a user, as `userKey` gives it, the latest expiry first.
   *
   * @throws {ERR_DATABASE}
   */
  async listByUser (user: string | number): Promise<UserSession[]> {
    if (!isUser(user)) return []
    const rows = await this.#table.listByUser(String(user))
    this.#logSlowByUser()
    return rows.flatMap((row) => {
      const session = this.#reader.session(row)
      if (session === null) return []
      return [{ id: publicId(row.sid), session, expiresAt: new Date(row.expire_ms) }]
    })
  }

  /**
   * Ends every session of a user, as `userKey` gives it, as after a password change.
   *
   * @param options.except the id, as in the cookie, of a session that stays.
   * @param options.reason what `endReason` tells for an hour.
   * @param options.events are recorded for each of them.
   * @returns the number of live sessions that were ended.
   * @throws {ERR_DATABASE}
   */
  async destroyByUser (user: string | number, { except, reason, events }: EndOptions = {}): Promise<number> {
    if (!isUser(user)) return 0
    const storedIds = except === undefined ? [] : this.#ids.storedIds(except)
    const input = { user: String(user), except: storedIds, reason: reason ?? null }
    const ended = await (events === undefined
      ? this.#table.destroyByUser(input)
      : this.#table.destroyByUserRecorded({ ...input, events: this.#ofEnded(events) }))
    this.#ended.add(ended)
    this.#logSlowByUser()
    return ended.length
  }

  /**
   * As `destroyByUser`, and gives what the sessions held.
   *
   * @throws {ERR_DATABASE}
   */
  async consumeByUser (
    user: string | number, { except, reason, events }: EndOptions = {}
  ): Promise<EndedSession[]> {
    if (!isUser(user)) return []
    const storedIds = except === undefined ? [] : this.#ids.storedIds(except)
    const input = { user: String(user), except: storedIds, reason: reason ?? null }
    const rows = await (events === undefined
      ? this.#table.consumeByUser(input)
      : this.#table.consumeByUserRecorded({ ...input, events: this.#ofEnded(events) }))
    this.#logSlowByUser()
    return this.#endedSessions(rows)
  }

  /**
   * As `consumeByUser`, for those sessions that had started at a time of the provider's clock. A session whose
   * `authTime` is later stays, and so does one that was created more than `toleranceMs` later.
   *
   * @param before.ms milliseconds since 1970.
   * @param before.toleranceMs how far that clock and the database's may be apart.
   * @param options.roles only sessions that have one of these as `role` or in `roles`.
   * @throws {ERR_DATABASE}
   */
  async consumeStartedBefore (
    user: string | number, { ms: beforeMs, toleranceMs }: { ms: number, toleranceMs: number },
    { reason, events, roles }: Omit<EndOptions, 'except'> & { roles?: readonly string[] | undefined } = {}
  ): Promise<EndedSession[]> {
    if (!isUser(user)) return []
    const input = { user: String(user), beforeMs, toleranceMs, roles: roles ?? null, reason: reason ?? null }
    const rows = await (events === undefined
      ? this.#table.consumeStartedBefore(input)
      : this.#table.consumeStartedBeforeRecorded({ ...input, events: this.#ofEnded(events) }))
    this.#logSlowByUser()
    return this.#endedSessions(rows)
  }

  /**
   * Ends the session of a user that `listByUser` names so, and gives what it held.
   *
   * @param options.reason what `endReason` tells for an hour.
   * @returns null if the user has no such session.
   * @throws {ERR_DATABASE}
   */
  async consumeOfUser (
    user: string | number, id: string,
    { reason, events }: { reason: string, events?: readonly AuthEvent[] | undefined }
  ): Promise<EndedSession | null> {
    if (!isUser(user)) return null
    const rows = await this.#table.listByUser(String(user))
    this.#logSlowByUser()
    const sid = rows.find((row) => publicId(row.sid) === id)?.sid
    if (sid === undefined) return null
    this.#ended.add([sid])
    const input = { storedIds: [sid], reason }
    const sess = await this.#pending.run([sid], () => events === undefined
      ? this.#table.consumeTelling(input)
      : this.#table.consumeRecorded({ ...input, events: this.#ofEnded(events) }))
    const session = sessionIn(sess)
    return session === null ? null : { id, session }
  }

  /**
   * Records events that belong to no session, such as a refusal.
   *
   * @returns them as they are in the table.
   * @throws {TypeError} without the option `events`. {ERR_DATABASE}
   */
  async recordEvents (events: readonly LooseEvent[]): Promise<RecordedEvent[]> {
    this.#checkEvents(events)
    return events.length === 0 ? [] : this.#table.recordEvents(events)
  }

  /** The events of sessions that a statement ends. @throws {TypeError} */
  #ofEnded (events: readonly AuthEvent[]): EventOf[] {
    this.#checkEvents(events)
    return events.map((event) => ({ part: 'ended', event }))
  }

  /** @throws {TypeError} if they would have no effect. */
  #checkEvents (events: unknown): void {
    if (events !== undefined && !this.#recordsEvents) {
      throw new TypeError('PgSessionStore: events are given, and the option events is not')
    }
  }

  #endedSessions (rows: readonly ConsumedRow[]): EndedSession[] {
    this.#ended.add(rows.map(({ sid }) => sid))
    return rows.flatMap(({ sid, sess }) => {
      const session = sessionIn(sess)
      return session === null ? [] : [{ id: publicId(sid), session }]
    })
  }

  /** A table of another store lacks the column. */
  #logSlowByUser (): void {
    if (this.#database.layout?.hasUserColumn === false) this.#logOnce(NO_USER_COLUMN)
  }

  /**
   * Acquires the lease of a session: the exclusive right, across processes, to do something with
   * it. It expires by itself.
   *
   * @param durationMs in milliseconds; must exceed the time that the work takes.
   * @returns a lease to release, or `acquired: false` while another holder has it.
   * @throws {ERR_DATABASE}
   */
  async acquireLease (sessionId: string, durationMs: number): Promise<Lease | Busy> {
    return this.#leases.acquire(sessionId, durationMs)
  }

  /**
   * Reads a value that all processes on this table share, such as keys that they sign with. It is
   * no session: `all`, `length` and `listByUser` leave it out, and no session id leads to it.
   * `clear` removes it.
   *
   * @param name a word, the same in every process.
   * @throws {ERR_DATABASE}
   */
  async sharedValue (name: string): Promise<SharedValue> {
    return this.#table.shared(sharedSid(name))
  }

  /**
   * Writes a shared value if it is still the one that was read. Of several processes that replace
   * the same value, only one succeeds. The others read it again.
   *
   * @param change.from the value that was read, or null.
   * @param change.to without characters that a column of type `jsonb` refuses.
   * @param change.ttl its lifetime in seconds.
   * @returns whether it was written.
   * @throws {ERR_DATABASE}
   */
  async replaceSharedValue (
    name: string, { from, to, ttl }: { from: string | null, to: string, ttl: number }
  ): Promise<boolean> {
    return this.#table.replaceShared({ sid: sharedSid(name), from, to, durationMs: ttl * 1000 })
  }

  /**
   * Removes expired rows, in batches.
   *
   * @returns the number of rows removed; 0 while another instance prunes.
   * @throws {ERR_DATABASE}
   */
  async prune (): Promise<number> {
    return this.#pruner.prune()
  }

  /**
   * Creates the table if it is missing. Otherwise the first statement does.
   *
   * @throws {ERR_DATABASE}
   */
  async createTable (): Promise<void> {
    await this.#database.create()
  }

  /** Resolves when sessions can be read and written. @throws {ERR_DATABASE} */
  async ping (): Promise<void> {
    if (await this.#table.isWritable()) return
    throw new ERR_DATABASE({ cause: new Error('the database is read-only') })
  }

  /** The schema in which the table was found, quoted if need be; undefined until it was looked at. */
  schema (): string | undefined {
    return this.#database.schema
  }

  /**
   * Replaces the keys of the option `hashIds` while the store is in use, as when a secret is rotated. Rows of a key
   * that is no longer in the list are not found.
   *
   * @throws {TypeError} Then the former keys stay.
   */
  setHashIds (hashIds: PgSessionStoreOptions['hashIds']): void {
    this.#ids.use(keys(hashIds))
  }

  /**
   * How many live rows there are, and how far pruning is behind. Up to 10,000 rows are counted; of more, PostgreSQL's
   * estimate is given. Cheap enough for once a minute.
   *
   * @throws {ERR_DATABASE}
   */
  async sample (): Promise<Sample> {
    return this.#table.sample()
  }

  /** How many calls wait to be sent to the database, and how many batches are under way. */
  workload (): Workload {
    return this.#table.load()
  }

  /** Whether this session object was loaded from a row or written to one. */
  isStored (session: object): boolean {
    return attachedRow(session) !== undefined
  }

  /** Whether `set` would find nothing to write: the session was loaded, did not change, and no touch is due. */
  isUpToDate (id: string, session: SessionData | AnySession): boolean {
    return this.#writer.isUpToDate(id, session as SessionData)
  }

  /**
   * The id by which `listByUser` and viewers name the session, which is no secret; undefined for a guest. It changes
   * once when the row gets another stored id, as after `keys` have changed.
   */
  publicId (session: object): string | undefined {
    const row = attachedRow(session)
    return row === undefined ? undefined : publicId(row.sid)
  }

  /**
   * When the session expires, as far as this session object shows, in milliseconds since 1970 on
   * the database's clock; undefined for a guest.
   */
  expiresAt (session: object): number | undefined {
    return attachedRow(session)?.expireMs
  }

  /**
   * When the session was created, in milliseconds since 1970 on the database's clock; undefined for
   * a guest, and without `absoluteTtl`. For a session that another store wrote, when this store
   * first saw it.
   */
  createdAt (session: object): number | undefined {
    return attachedRow(session)?.createdMs ?? undefined
  }

  /**
   * The current time on the database's clock, computed from what this session object carries, in
   * milliseconds since 1970; undefined for a guest.
   */
  databaseNow (session: object): number | undefined {
    return attachedRow(session)?.databaseNow()
  }

  /**
   * How long ago this session object was last known to be live, in milliseconds: when its row was
   * read or written. Infinity for one that may have ended since, as far as this process knows: it
   * ends the session itself, or a write did not find the row.
   */
  msSinceSeen (session: object): number {
    const row = attachedRow(session)
    if (row === undefined || row.isMissed || this.#ended.has(row.sid)) return Infinity
    return performance.now() - row.atMs
  }

  /** Stops pruning, and closes the pool if the store made it. */
  async close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    await this.#pruner.close()
    if (this.#ownsPool) await this.#pool.end()
  }
}

/** How sessions of a user end. */
export interface EndOptions {
  /** The id, as in the cookie, of a session that stays. */
  except?: string | undefined
  /** What `endReason` tells for an hour. */
  reason?: string | undefined
  /** What is recorded for each of them. */
  events?: readonly AuthEvent[] | undefined
}

/**
 * Calls back with the session of a row. Outside of the class, so that a call that waits keeps
 * nothing else in memory.
 */
const readBy = (
  reader: SessionReader, callback: Callback<LoadedSession | null>, isDelivered: boolean
): Done<LiveRow | undefined> => (error, row) => {
  let session: LoadedSession | null | undefined
  let problem: unknown = error
  try {
    if (error === null) session = row === undefined ? null : reader.session(row)
  } catch (thrown) { // by `errorLog`
    problem = thrown
  }
  if (isDelivered && session !== null && session !== undefined) {
    deliver(session, (delivered) => { callBack(callback, null, delivered as LoadedSession) })
  } else {
    callBack(callback, problem, session)
  }
}

const sharedSid = (name: string): string => SHARED_PREFIX + name

const NO_USER_COLUMN =
  'The session table has no column of the user: finding sessions by user reads every row'

/** The session that `sess` of a row holds, or null. */
const sessionIn = (sess: string | undefined): SessionData | null =>
  sess === undefined ? null : parse(sess)?.session ?? null

/**
 * Whether a row can have this user. PostgreSQL refuses NUL in a text parameter (SQLSTATE 22021).
 */
const isUser = (user: unknown): user is string | number =>
  typeof user === 'number' || (typeof user === 'string' && user !== '' && !user.includes('\0'))

/** Identifies the table, so that a session of one table is new in another. */
function identify (pool: Pool, { schemaName, tableName }: Settings): string {
  // pools of other libraries have no options
  const { connectionString, host, port, database } = (pool as Partial<Pool>).options ?? {}
  return JSON.stringify([connectionString, host, port, database, schemaName, tableName])
}
