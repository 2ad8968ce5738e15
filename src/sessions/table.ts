import { Batch, type Done } from './batch.js'
import { isDataError, stateOf, UNDEFINED_COLUMN, type Database } from './database.js'
import { statements, type Statements } from './sql.js'

/** A live row. `sess` is JSON text; the times are milliseconds since 1970 on the database's clock. */
export interface Row { sid: string, version: string, sess: string, expire_ms: number, now_ms: number }

/** Every form in which an id may stand in the table, first the one in which it is written. */
export type Sids = readonly string[]

/** Durations are milliseconds, `limitMs` is milliseconds since 1970 on the database's clock, null: none. */
export interface Put { sid: string, sess: string, durationMs: number, limitMs: number | null, lifetimeMs: number | null }
export interface Touch { sids: Sids, durationMs: number, limitMs: number | null, lifetimeMs: number | null }
/** `durationMs` null: the expiry stays. */
export interface Write { sid: string, version: string, sess: string, durationMs: number | null, limitMs: number | null }
export interface Update { sids: Sids, sess: string, base: string, durationMs: number | null, limitMs: number | null }

/** How a row stands after a statement. */
export interface Written { version: string, expireMs: number }

/** Of an update: done; in conflict with what stands there now; or the session is gone. */
export type Updated = Written | { current: string } | undefined

/** Calls that go into one statement at most: what a statement holds stays within some megabytes. */
const MAX_READS = 512
const MAX_WRITES = 128
/** Statements of one kind that write rows and are away at once. */
const WRITES_AT_ONCE = 2

interface WrittenRow { version: string, expire_ms: number }
interface ConsumedRow { sid: string, sess: string, live: boolean }

/**
 * The table, row by row: each method is one call, and the calls of one moment are one statement, or two of those
 * that write. Within one kind, calls for the same row keep their order.
 */
export class SessionTable {
  readonly #database: Database
  readonly #sql: Statements
  readonly #gets: Batch<Sids, Row | undefined>
  readonly #puts: Batch<Put, Written & { createdMs: number } | undefined>
  readonly #writes: Batch<Write, Written | undefined>
  readonly #touches: Batch<Touch, Written | undefined>
  readonly #destroys: Batch<Sids, void>

  constructor (database: Database) {
    const separable = isDataError
    const bySid = ({ sid }: { sid: string }) => sid
    this.#database = database
    this.#sql = statements(database.table)
    this.#gets = new Batch((items, waited) => this.#get(items, waited), { max: MAX_READS, separable })
    this.#puts = new Batch<Put, Written & { createdMs: number } | undefined>((items, waited) => this.#put(items, waited), { max: MAX_WRITES, atOnce: WRITES_AT_ONCE, separable, key: bySid })
    this.#writes = new Batch<Write, Written | undefined>((items, waited) => this.#write(items, waited), { max: MAX_WRITES, atOnce: WRITES_AT_ONCE, separable, key: bySid })
    this.#touches = new Batch<Touch, Written | undefined>((items, waited) => this.#touch(items, waited), { max: MAX_READS, atOnce: WRITES_AT_ONCE, separable, key: ({ sids: [sid] }) => sid as string })
    this.#destroys = new Batch((items, waited) => this.#destroy(items, waited), { max: MAX_READS, separable })
  }

  /** Ends with ERR_DATABASE or a row, as all of these. */
  get (sids: Sids, done: Done<Row | undefined>): void { this.#gets.call(sids, done) }

  /** A new session, or one that replaces another of the same id. With `lifetimeMs` the time of its creation is added to `sess`. */
  put (item: Put, done: Done<Written & { createdMs: number } | undefined>): void { this.#puts.call(item, done) }

  /** Writes `sess` where the row is live, still has this version, and nobody has it locked; else there is none. */
  write (item: Write, done: Done<Written | undefined>): void { this.#writes.call(item, done) }

  /** Writes `sess` where the row is live and still holds `base`. Waits for whoever has it locked. @param waitedMs counts against the deadline. */
  async update (item: Update, waitedMs: number, again = true): Promise<Updated> {
    const began = performance.now() - waitedMs
    const { sids, durationMs, limitMs, base, sess } = item
    const [row] = await this.#database.query<{ version: string, expire_ms: number | null, current: string }>(
      this.#sql.update, [sids, sids[0], durationMs, limitMs, base, sess], waitedMs)
    if (row === undefined) {
      // A row that took another form while this waited for it is not found by the form it had: it is looked for once more.
      return again && sids.length > 1 ? this.update(item, performance.now() - began, false) : undefined
    }
    const { version, expire_ms: expireMs, current } = row
    return expireMs === null ? { current } : { version, expireMs }
  }

  /** Moves the expiry of a live row; there is none when it was not moved. */
  touch (item: Touch, done: Done<Written | undefined>): void { this.#touches.call(item, done) }

  destroy (sids: Sids, done: Done<void>): void { this.#destroys.call(sids, done) }

  /** `sess` of the live row, which is removed: of any number of callers, in any process, one gets it. */
  async consume (sids: Sids): Promise<string | undefined> {
    const rows = await this.#database.query<ConsumedRow>(this.#sql.consume, [sids])
    return liveOne(rows, sids)
  }

  /**
   * Inserts a session and removes those of `former`, in one statement: both happen, or neither.
   *
   * @param former the stored ids of each session that ends.
   * @returns how the new row stands, and `sess` of each session that was live.
   */
  async replace (item: Put, former: readonly Sids[]): Promise<{ written: Written & { createdMs: number }, ended: (string | undefined)[] }> {
    const rows = await this.#database.query<WrittenRow & { created_ms: number } & ConsumedRow>(this.#sql.replace, [
      [item.sid], item.sess, [item.durationMs], [item.limitMs], [item.lifetimeMs], former.flat()
    ])
    const { version = '', expire_ms: expireMs = 0, created_ms: createdMs = 0 } = rows[0] ?? {}
    return { written: { version, expireMs, createdMs }, ended: former.map((sids) => liveOne(rows, sids)) }
  }

  /** The live rows of the user `sub`, the newest expiry first. */
  async listByUser (sub: string): Promise<Row[]> { return this.#byUser<Row>(this.#sql.listByUser, [sub]) }

  /** Removes the rows of the user `sub`, save for one id's; resolves to how many of them were live. */
  async destroyByUser (sub: string, except: Sids): Promise<number> {
    const rows = await this.#byUser<{ live: boolean }>(this.#sql.destroyByUser, [sub, except])
    return rows.filter(({ live }) => live).length
  }

  async all (): Promise<Row[]> { return this.#database.query<Row>(this.#sql.all) }

  async count (): Promise<number> {
    const [row] = await this.#database.query<{ count: number }>(this.#sql.count)
    return row?.count ?? 0
  }

  async clear (): Promise<void> { await this.#database.query(this.#sql.clear) }

  /** Whether the database answers and takes writes. */
  async isWritable (): Promise<boolean> {
    const [row] = await this.#database.query<{ read_only: boolean }>(this.#sql.ping)
    return row?.read_only === false
  }

  /** One batch of expired rows; `elected` is false while another instance is at it. */
  async prune (max: number): Promise<{ elected: boolean, removed: number }> {
    const [row] = await this.#database.query<{ elected: boolean, removed: number }>(this.#sql.prune, [max])
    return row ?? { elected: false, removed: 0 }
  }

  /** A table that connect-pg-simple made has no column for the user: there it is looked for in every row. */
  async #byUser<Found extends object> ([quick, slow]: readonly [string, string], values: unknown[]): Promise<Found[]> {
    const began = performance.now()
    try {
      return await this.#database.query<Found>(quick, values)
    } catch (error) {
      if (stateOf(error) !== UNDEFINED_COLUMN) throw error
      return this.#database.query<Found>(slow, values, performance.now() - began)
    }
  }

  async #get (items: Sids[], waitedMs: number): Promise<(Row | undefined)[]> {
    const [first = []] = items
    if (items.length === 1 && first.length === 1) return this.#database.query<Row>(this.#sql.getOne, [first[0]], waitedMs)
    const rows = await this.#database.query<Row>(this.#sql.get, [items.length === 1 ? first : items.flat()], waitedMs)
    if (items.length === 1 && rows.length <= 1) return [rows[0]]
    const bySid = new Map(rows.map((row) => [row.sid, row]))
    return items.map((sids) => {
      const sid = sids.find((form) => bySid.has(form))
      return sid === undefined ? undefined : bySid.get(sid)
    })
  }

  async #put (items: Put[], waitedMs: number): Promise<(Written & { createdMs: number } | undefined)[]> {
    const rows = await this.#database.query<WrittenRow & { sid: string, created_ms: number }>(this.#sql.put, [
      items.map(({ sid }) => sid), lines(items), items.map(({ durationMs }) => durationMs),
      items.map(({ limitMs }) => limitMs), items.map(({ lifetimeMs }) => lifetimeMs)
    ], waitedMs)
    const bySid = new Map(rows.map(({ sid, version, expire_ms: expireMs, created_ms: createdMs }) => [sid, { version, expireMs, createdMs }]))
    return items.map(({ sid }) => bySid.get(sid))
  }

  async #write (items: Write[], waitedMs: number): Promise<(Written | undefined)[]> {
    return inOrder(items, await this.#database.query<WrittenRow & { n: string }>(this.#sql.write, [
      items.map(({ sid }) => sid), items.map(({ version }) => version), lines(items),
      items.map(({ durationMs }) => durationMs), items.map(({ limitMs }) => limitMs)
    ], waitedMs))
  }

  async #touch (items: Touch[], waitedMs: number): Promise<(Written | undefined)[]> {
    return inOrder(items, await this.#database.query<WrittenRow & { n: string }>(this.#sql.touch, [
      items.flatMap(({ sids }, index) => sids.map(() => index + 1)), items.flatMap(({ sids }) => sids),
      items.map(({ sids }) => sids[0]), items.map(({ durationMs }) => durationMs),
      items.map(({ limitMs }) => limitMs), items.map(({ lifetimeMs }) => lifetimeMs)
    ], waitedMs))
  }

  /** A row that is locked by somebody else must not hold up the others: of several, the locked are left out, and then waited for one by one. */
  async #destroy (items: Sids[], waitedMs: number): Promise<(void | Promise<void>)[]> {
    const began = performance.now() - waitedMs
    const alone = items.length === 1
    const rows = await this.#database.query<{ sid: string }>(alone ? this.#sql.destroy : this.#sql.destroyUnlocked, [items.flat()], waitedMs)
    const left = new Set(rows.map(({ sid }) => sid))
    return items.map((sids) => sids.some((sid) => left.has(sid)) ? this.#destroy([sids], performance.now() - began).then(() => {}) : undefined)
  }
}

/** `sess` of all, as `lines` of sql.ts takes it: JSON has no raw line break. */
const lines = (items: { sess: string }[]): string => items.map(({ sess }) => sess).join('\n')

/** `sess` of the first of these stored ids that had a live row. */
const liveOne = (rows: readonly ConsumedRow[], sids: Sids): string | undefined =>
  sids.map((sid) => rows.find((row) => row.sid === sid && row.live)?.sess).find((sess) => sess !== undefined)

/** Outcomes by the number of their call, from 1: a bigint, so text. */
function inOrder (items: unknown[], rows: (WrittenRow & { n: string })[]): (Written | undefined)[] {
  const outcomes: (Written | undefined)[] = items.map(() => undefined)
  for (const { n, version, expire_ms: expireMs } of rows) outcomes[Number(n) - 1] = { version, expireMs }
  return outcomes
}
