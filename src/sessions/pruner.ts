import { pruneChannel, publish, type StorePrune } from './channels.js'
import { MAX_DELAY_MS } from './deadline.js'
import type { SessionTable } from './table.js'

/** Rows removed by one statement, which takes some milliseconds. */
const BATCH_ROWS = 250

/**
 * The rest after a batch, as a multiple of the batch's duration: most of the database's time is
 * left to requests.
 */
const REST_FACTOR = 4
/** The longest rest, in milliseconds. */
const MAX_REST_MS = 1000

/** The part of the interval by which instances that started together drift apart. */
const JITTER = 0.2

type PrunedTable = Pick<SessionTable, 'prune' | 'pruneEvents'>

/**
 * Removes expired rows from time to time, in batches with rests between them. Locked rows are
 * skipped. Only one instance prunes at a time.
 */
export class Pruner {
  readonly #table: PrunedTable
  readonly #eventsMaxAgeMs: number | undefined
  readonly #errorLog: (message: string, error?: unknown) => void
  readonly #intervalMs: number | undefined
  readonly #store: object
  #timer: NodeJS.Timeout | undefined
  #running: Promise<number> | undefined
  #isClosed = false
  /** Ends the rest between two batches. */
  #wake: (() => void) | undefined

  /**
   * @param intervalMs `undefined`: only when `prune` is called.
   * @param options.eventsMaxAgeMs how long events are kept; `undefined`: for ever.
   */
  constructor (
    table: PrunedTable,
    intervalMs: number | undefined,
    errorLog: (message: string, error?: unknown) => void,
    { eventsMaxAgeMs, store = {} }: { eventsMaxAgeMs?: number | undefined, store?: object } = {}
  ) {
    this.#store = store
    this.#table = table
    this.#eventsMaxAgeMs = eventsMaxAgeMs
    this.#errorLog = errorLog
    this.#intervalMs = intervalMs
    this.#schedule()
  }

  /**
   * Resolves to the number of rows removed; 0 while another instance prunes.
   *
   * @throws {ERR_DATABASE}
   */
  async prune (): Promise<number> {
    this.#running ??= this.#prune().finally(() => { this.#running = undefined })
    return this.#running
  }

  /** Starts no further batch; resolves when the current one has ended. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#wake?.()
    await this.#running?.catch(() => {})
  }

  async #prune (): Promise<number> {
    let total = 0
    let from: string | null = null
    for (;;) {
      const startMs = performance.now()
      const { elected, removed, last } = await this.#table.prune({ maxRows: BATCH_ROWS, from })
      total += removed
      publish(pruneChannel, (): StorePrune => ({ store: this.#store, removed }))
      from = last
      // When two instances alternate, one of them is soon not elected and leaves the remaining rows
      // to the other.
      if (!elected) return total
      if (removed < BATCH_ROWS) break
      const restMs = (performance.now() - startMs) * REST_FACTOR
      if (!this.#isClosed) await this.#rest(Math.min(restMs, MAX_REST_MS))
      if (this.#isClosed) return total
    }
    await this.#pruneEvents()
    return total
  }

  async #pruneEvents (): Promise<void> {
    const maxAgeMs = this.#eventsMaxAgeMs
    if (maxAgeMs === undefined) return
    while (!this.#isClosed) {
      const startMs = performance.now()
      if (await this.#table.pruneEvents({ maxRows: BATCH_ROWS, maxAgeMs }) < BATCH_ROWS) return
      await this.#rest(Math.min((performance.now() - startMs) * REST_FACTOR, MAX_REST_MS))
    }
  }

  async #rest (ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Within the interval, so that an expired row is removed in time. */
  #schedule (): void {
    if (this.#intervalMs === undefined || this.#isClosed) return
    const delayMs = Math.min(this.#intervalMs, MAX_DELAY_MS) * (1 - JITTER * Math.random())
    this.#timer = setTimeout(() => {
      this.prune()
        .catch((error: unknown) => { this.#errorLog('Could not prune expired sessions', error) })
        .finally(() => { this.#schedule() })
    }, delayMs).unref()
  }
}
