import type { SessionTable } from './table.js'

/** Rows removed by one statement: short enough to hold no lock for long. */
const BATCH = 1000

/** The longest delay of a timer, in milliseconds: a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** Part of the interval by which instances that started together drift apart. */
const JITTER = 0.2

/**
 * Removes expired rows from time to time: in batches, skipping rows that somebody else has locked, and one
 * instance at a time (a transaction-level advisory lock, which a transaction-mode pooler does not leak).
 */
export class Pruner {
  readonly #table: SessionTable
  readonly #errorLog: (message: string, error?: unknown) => void
  readonly #intervalMs: number | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<number> | undefined
  #closed = false

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
    await this.#running?.catch(() => {})
  }

  async #prune (): Promise<number> {
    let total = 0
    for (;;) {
      const { elected, removed } = await this.#table.prune(BATCH)
      total += removed
      if (this.#closed || !elected || removed < BATCH) return total
    }
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
