import type { SessionTable } from './table.js'

/** Rows removed by one statement: some milliseconds. */
const BATCH = 250

/** After a batch the database is left alone for this many times as long as it took: most of its time is the requests'. */
const REST = 4
/** But not longer, in milliseconds. */
const MAX_REST_MS = 1000

/** The longest delay of a timer, in milliseconds: a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** Part of the interval by which instances that started together drift apart. */
const JITTER = 0.2

/**
 * Removes expired rows from time to time: in batches with rests between them, skipping rows that somebody else has locked, and one
 * instance at a time (a transaction-level advisory lock, which a transaction-mode pooler does not leak).
 */
export class Pruner {
  readonly #table: SessionTable
  readonly #errorLog: (message: string, error?: unknown) => void
  readonly #intervalMs: number | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<number> | undefined
  #closed = false
  /** Ends the rest between two batches. */
  #wake: (() => void) | undefined

  /** @param intervalMs `undefined`: only when `prune` is called. */
  constructor (table: SessionTable, intervalMs: number | undefined, errorLog: (message: string, error?: unknown) => void) {
    this.#table = table
    this.#errorLog = errorLog
    this.#intervalMs = intervalMs
    this.#schedule()
  }

  /** Resolves to the number of rows removed; 0 when another instance is at it. @throws {ERR_DATABASE} */
  async prune (): Promise<number> {
    this.#running ??= this.#prune().finally(() => { this.#running = undefined })
    return this.#running
  }

  /** No batch begins any more; resolves when the one under way has ended. */
  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#wake?.()
    await this.#running?.catch(() => {})
  }

  async #prune (): Promise<number> {
    let total = 0
    for (;;) {
      const start = performance.now()
      const { elected, removed } = await this.#table.prune(BATCH)
      total += removed
      // Two that take turns soon meet: one of them is not elected, and leaves the rest to the other.
      if (!elected || removed < BATCH) return total
      if (!this.#closed) await this.#rest(Math.min((performance.now() - start) * REST, MAX_REST_MS))
      if (this.#closed) return total
    }
  }

  async #rest (ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => { clearTimeout(timer); resolve() }
    })
  }

  /** At most the interval from now, so that an expired row is gone within it. */
  #schedule (): void {
    if (this.#intervalMs === undefined || this.#closed) return
    const delay = Math.min(this.#intervalMs, MAX_DELAY_MS) * (1 - JITTER * Math.random())
    this.#timer = setTimeout(() => {
      this.prune()
        .catch((error: unknown) => { this.#errorLog('Expired sessions could not be removed', error) })
        .finally(() => { this.#schedule() })
    }, delay).unref()
  }
}
