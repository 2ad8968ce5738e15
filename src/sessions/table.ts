import { Batch } from './batch.js'
import { isDataError, type Database } from './database.js'
import { statements, type Statements } from './sql.js'

/** A live row. `sess` is JSON text; the times are milliseconds since 1970 on the database's clock. */
export interface Row { sid: string, sess: string, expire_ms: number, now_ms: number }

/** Every form in which an id may stand in the table, first the one in which it is written. */
export type Sids = string[]

/** Durations are milliseconds, `limitMs` is milliseconds since 1970 on the database's clock, null: none. */
export interface Put { sid: string, sess: string, durationMs: number, limitMs: number | null, lifetimeMs: number | null }
export interface Touch { sids: Sids, durationMs: number, limitMs: number | null, lifetimeMs: number | null }
export interface Update { sids: Sids, sess: string, base: string, durationMs: number, limitMs: number | null }

/** Of an update: done; in conflict with what stands there now; or the session is gone. */
export type Updated = { expireMs: number } | { current: string } | undefined

/** Calls that go into one statement at most: what a statement holds stays within some megabytes. */
const MAX_READS = 512
const MAX_WRITES = 128

/**
 * The table, row by row: each method is one call, and the calls of one moment are one statement. Within one
 * kind, calls for the same row keep their order.
 */
export class SessionTable {
  readonly #database: Database
  readonly #sql: Statements
  readonly #gets: Batch<Sids, Row | undefined>
  readonly #puts: Batch<Put, { expireMs: number, createdMs: number } | undefined>
  readonly #updates: Batch<Update, Updated>
  readonly #touches: Batch<Touch, number | undefined>
  readonly #destroys: Batch<Sids, void>

  constructor (database: Database) {
    const separable = isDataError
    const key = ({ sids: [sid] }: { sids: Sids }) => sid as string
    this.#database = database
    this.#sql = statements(database.table)
    this.#gets = new Batch((items, waited) => this.#get(items, waited), { max: MAX_READS, separable })
    this.#puts = new Batch((items, waited) => this.#put(items, waited), { max: MAX_WRITES, separable, key: ({ sid }) => sid })
    this.#updates = new Batch<Update, Updated>((items, waited) => this.#update(items, waited), { max: MAX_WRITES, separable, key })
    this.#touches = new Batch<Touch, number | undefined>((items, waited) => this.#touch(items, waited), { max: MAX_READS, separable, key })
    this.#destroys = new Batch((items, waited) => this.#destroy(items, waited), { max: MAX_READS, separable })
  }

  /** @throws {ERR_DATABASE}, as all of these. */
  async get (sids: Sids): Promise<Row | undefined> { return this.#gets.add(sids) }

  /** A new session, or one that replaces another of the same id. With `lifetimeMs` the time of its creation is added to `sess`. */
  async put (item: Put): Promise<{ expireMs: number, createdMs: number } | undefined> { return this.#puts.add(item) }

  /** Writes `sess` where the row is live and still holds `base`. */
  async update (item: Update): Promise<Updated> { return this.#updates.add(item) }

  /** Moves the expiry of a live row; resolves to it, in milliseconds since 1970, or to undefined when it was not moved. */
  async touch (item: Touch): Promise<number | undefined> { return this.#touches.add(item) }

  async destroy (sids: Sids): Promise<void> { return this.#destroys.add(sids) }

  /** `sess` of the live row, which is removed: of any number of callers, in any process, one gets it. */
  async take (sids: Sids): Promise<string | undefined> {
    const rows = await this.#database.query<{ sid: string, sess: string, live: boolean }>(this.#sql.take, [sids])
    return rows.sort((a, b) => sids.indexOf(a.sid) - sids.indexOf(b.sid)).find(({ live }) => live)?.sess
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
    const [row] = await this.#database.query<{ elected: boolean, removed: number }>(this.#sql.prune, [this.#database.lockKey, max])
    return row ?? { elected: false, removed: 0 }
  }

  async #get (items: Sids[], waitedMs: number): Promise<(Row | undefined)[]> {
    const rows = await this.#database.query<Row>(this.#sql.get, [items.length === 1 ? items[0] : items.flat()], waitedMs)
    if (items.length === 1 && rows.length <= 1) return [rows[0]]
    const bySid = new Map(rows.map((row) => [row.sid, row]))
    return items.map((sids) => {
      const sid = sids.find((form) => bySid.has(form))
      return sid === undefined ? undefined : bySid.get(sid)
    })
  }

  async #put (items: Put[], waitedMs: number): Promise<({ expireMs: number, createdMs: number } | undefined)[]> {
    const rows = await this.#database.query<{ sid: string, expire_ms: number, created_ms: number }>(this.#sql.put, [
      items.map(({ sid }) => sid), items.map(({ sess }) => sess), items.map(({ durationMs }) => durationMs),
      items.map(({ limitMs }) => limitMs), items.map(({ lifetimeMs }) => lifetimeMs)
    ], waitedMs)
    const bySid = new Map(rows.map(({ sid, expire_ms: expireMs, created_ms: createdMs }) => [sid, { expireMs, createdMs }]))
    return items.map(({ sid }) => bySid.get(sid))
  }

  /**
   * A row that is locked by somebody else must not hold up the others: of several, the locked are left out, and
   * then waited for one by one, as are those that are gone.
   */
  async #update (items: Update[], waitedMs: number, again = true): Promise<(Updated | Promise<Updated>)[]> {
    const alone = items.length === 1
    const began = performance.now() - waitedMs
    const rows = await this.#database.query<{ n: number, expire_ms: number | null, current: string }>(alone ? this.#sql.update : this.#sql.updateUnlocked, [
      ...forms(items), items.map(({ durationMs }) => durationMs), items.map(({ limitMs }) => limitMs),
      items.map(({ base }) => base), items.map(({ sess }) => sess)
    ], waitedMs)
    const outcomes: Updated[] = items.map(() => undefined)
    for (const { n, expire_ms: expireMs, current } of rows) outcomes[n - 1] = expireMs === null ? { current } : { expireMs }
    if (alone) {
      // A row that took another form while this waited for it is not found by the form it had: it is looked for once more.
      const moved = again && rows.length === 0 && (items[0]?.sids.length ?? 0) > 1
      return moved ? this.#update(items, performance.now() - began, false) : outcomes
    }
    return items.map((item, index) => outcomes[index] ?? this.#update([item], performance.now() - began).then(([outcome]) => outcome))
  }

  async #touch (items: Touch[], waitedMs: number): Promise<(number | undefined)[]> {
    const rows = await this.#database.query<{ n: number, expire_ms: number }>(this.#sql.touch, [
      ...forms(items), items.map(({ durationMs }) => durationMs), items.map(({ limitMs }) => limitMs), items.map(({ lifetimeMs }) => lifetimeMs)
    ], waitedMs)
    const outcomes: (number | undefined)[] = items.map(() => undefined)
    for (const { n, expire_ms: expireMs } of rows) outcomes[n - 1] = expireMs
    return outcomes
  }

  /** As with updates: of several, the locked ones are left out first. */
  async #destroy (items: Sids[], waitedMs: number): Promise<(void | Promise<void>)[]> {
    const alone = items.length === 1
    const began = performance.now() - waitedMs
    const rows = await this.#database.query<{ sid: string }>(alone ? this.#sql.destroy : this.#sql.destroyUnlocked, [items.flat()], waitedMs)
    if (alone) return [undefined]
    const removed = new Set(rows.map(({ sid }) => sid))
    // An id may have rows in several forms: it is gone when a plain DELETE says so.
    return items.map((sids) => sids.length === 1 && removed.has(sids[0] as string) ? undefined : this.#destroy([sids], performance.now() - began).then(() => {}))
  }
}

/** The first three parameters of `update` and `touch`: the number of the call and each form of its id, and the form that is written. */
function forms (items: { sids: Sids }[]): [number[], string[], string[]] {
  return [
    items.flatMap(({ sids }, index) => sids.map(() => index + 1)),
    items.flatMap(({ sids }) => sids),
    items.map(({ sids }) => sids[0] as string)
  ]
}
