import type { Pool } from 'pg'
import { withDeadline } from '../deadline.js'
import { databaseReason } from '../sessions/index.js'
import { ADD, CREATE_TABLE, PRUNE } from './table.js'

/** How long a request waits for the count of the others, in milliseconds. */
const LIMIT_MS = 250
/** After a failure, this instance counts for itself for so long, in milliseconds. */
const PAUSE_MS = 10_000
/** The same where the table is missing and may not be created. */
const LONG_PAUSE_MS = 600_000
const UNDEFINED_TABLE = '42P01'
/** Of many keys that are due together, so many are sent in one statement. */
const MAX_KEYS = 200

/** The count of a key in all instances, and when its window ends. */
export interface SharedCount { total: number, leftMs: number }

interface Addition { key: string, count: number, done: (count: SharedCount | undefined) => void }

/** What has happened so far, for a metric. */
export interface SharedCountStats { statements: number, failures: number }

/**
 * Counts in PostgreSQL, together with other instances. Never fails: without an answer in time, the caller's own count
 * is all that there is.
 */
export class SharedCounts {
  readonly stats: SharedCountStats = { statements: 0, failures: 0 }
  readonly #pool: Pool
  readonly #windowMs: number
  readonly #log: (change: { isShared: boolean, reason?: string }) => void
  #queue: Addition[] = []
  #isScheduled = false
  #isBusy = false
  #pausedUntilMs = 0
  #isShared = true
  #pruneTimer: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param log is told when this instance begins to count for itself, and when it ends. */
  constructor (pool: Pool, windowMs: number, log: (change: { isShared: boolean, reason?: string }) => void) {
    this.#pool = pool
    this.#windowMs = windowMs
    this.#log = log
  }

  /** Adds to the count of a key. Undefined: there was no answer in time. */
  async add (key: string, count: number): Promise<SharedCount | undefined> {
    if (this.#isClosed || performance.now() < this.#pausedUntilMs) return undefined
    const counted = new Promise<SharedCount | undefined>((resolve) => {
      this.#queue.push({ key, count, done: resolve })
      this.#schedule()
    })
    return withDeadline(LIMIT_MS, counted, () => new Error('late')).catch(() => undefined)
  }

  close (): void {
    this.#isClosed = true
    clearTimeout(this.#pruneTimer)
    for (const { done } of this.#queue.splice(0)) done(undefined)
  }

  /** Keys that are due at the same moment share a statement, and only one statement is under way. */
  #schedule (): void {
    if (this.#isScheduled || this.#isBusy) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      void this.#send()
    })
  }

  async #send (): Promise<void> {
    this.#isBusy = true
    const batch = this.#queue.splice(0, MAX_KEYS)
    try {
      const counts = await this.#added(batch)
      this.#resumed()
      for (const { key, done } of batch) done(counts.get(key))
    } catch (error) {
      this.#failed(error)
      for (const { done } of batch) done(undefined)
      for (const { done } of this.#queue.splice(0)) done(undefined)
    }
    this.#isBusy = false
    if (this.#queue.length > 0) this.#schedule()
  }

  async #added (batch: readonly Addition[]): Promise<Map<string, SharedCount>> {
    const sums = new Map<string, number>()
    for (const { key, count } of batch) sums.set(key, (sums.get(key) ?? 0) + count)
    const values = [[...sums.keys()], [...sums.values()], this.#windowMs]
    const rows = await this.#run<{ key: string, count: number, left_ms: number }>(ADD, values)
      .catch(async (error: unknown) => {
        if (!isTableMissing(error)) throw error
        await this.#run(CREATE_TABLE)
        return this.#run<{ key: string, count: number, left_ms: number }>(ADD, values)
      })
    this.#pruneLater()
    return new Map(rows.map(({ key, count, left_ms: leftMs }) => [key, { total: count, leftMs }]))
  }

  async #run<Row> (text: string, values?: unknown[]): Promise<Row[]> {
    const client = await this.#pool.connect()
    let failure: Error | undefined
    const onError = () => {}
    client.on('error', onError)
    try {
      this.stats.statements++
      const { rows } = values === undefined ? await client.query(text) : await client.query(text, values)
      return rows as Row[]
    } catch (error) {
      // An SQL error leaves the connection as it was.
      if ((error as { severity?: string }).severity !== 'ERROR') failure = error as Error
      throw error
    } finally {
      client.removeListener('error', onError)
      client.release(failure)
    }
  }

  #resumed (): void {
    if (this.#isShared) return
    this.#isShared = true
    this.#log({ isShared: true })
  }

  #failed (error: unknown): void {
    this.stats.failures++
    const { code } = error as { code?: string }
    this.#pausedUntilMs = performance.now() + (code === '42501' || isTableMissing(error) ? LONG_PAUSE_MS : PAUSE_MS)
    if (!this.#isShared) return
    this.#isShared = false
    this.#log({ isShared: false, reason: databaseReason(error) })
  }

  /** Windows that are over are removed once, after the last of this instance has ended. */
  #pruneLater (): void {
    this.#pruneTimer ??= setTimeout(() => {
      this.#pruneTimer = undefined
      this.#run(PRUNE).catch(() => {})
    }, this.#windowMs * (1 + Math.random())).unref()
  }
}

const isTableMissing = (error: unknown): boolean => (error as { code?: string }).code === UNDEFINED_TABLE
