import { Gauge, type Registry } from 'prom-client'
import type { Lease, PgSessionStore } from '../sessions/index.js'
import { PREFIX } from './names.js'

/** The lease of the instance that looks at the table. No session has this id. */
const LEASE = 'sampler of metrics'

/** A lease outlives a missed turn of its holder. */
const LEASE_FACTOR = 2.5

/**
 * Looks at the table once per interval, on one instance of all: the one that has a lease. It releases and acquires the
 * lease at each turn, and another takes over when it has died. On the others the gauges have no value.
 */
export class TableSampler {
  readonly #store: PgSessionStore
  readonly #intervalMs: number
  readonly #onFailure: (error: unknown) => void
  readonly #rows: Gauge
  readonly #isEstimate: Gauge
  readonly #lag: Gauge
  #timer: NodeJS.Timeout | undefined
  #lease: Lease | undefined
  #turn: Promise<void> | undefined
  #isFailing = false
  #isClosed = false

  /** @param onFailure called once until a look succeeds again. */
  constructor (register: Registry, store: PgSessionStore, intervalMs: number, onFailure: (error: unknown) => void) {
    const gauge = (name: string, help: string) =>
      new Gauge({ name: PREFIX + name, help: `${help}; on one instance at a time`, registers: [register] })
    this.#store = store
    this.#intervalMs = intervalMs
    this.#onFailure = onFailure
    this.#rows = gauge('live_rows', 'Rows of the session table that have not expired')
    this.#isEstimate = gauge('live_rows_estimated', 'Whether live_rows is an estimate of PostgreSQL, for all rows')
    this.#lag = gauge('prune_lag_seconds', 'How long ago the oldest expired row expired')
    this.#clear()
  }

  start (): void {
    this.#take()
  }

  /** Gives the lease back. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#turn
    await this.#lease?.release().catch(() => {})
  }

  #take (): void {
    this.#turn = this.#sample().then(() => { this.#isFailing = false }, (error: unknown) => {
      this.#clear()
      if (!this.#isFailing) this.#onFailure(error)
      this.#isFailing = true
    })
    void this.#turn.then(() => {
      if (!this.#isClosed) this.#timer = setTimeout(() => { this.#take() }, this.#intervalMs).unref()
    })
  }

  async #sample (): Promise<void> {
    const held = this.#lease
    this.#lease = undefined
    await held?.release()
    const lease = await this.#store.acquireLease(LEASE, this.#intervalMs * LEASE_FACTOR)
    if (!lease.acquired) {
      this.#clear()
      return
    }
    this.#lease = lease
    const { rows, isEstimate, pruneLagMs } = await this.#store.sample()
    this.#rows.set(rows)
    this.#isEstimate.set(Number(isEstimate))
    this.#lag.set(pruneLagMs / 1000)
  }

  /** Removes the values: another instance has them, or they are not known. */
  #clear (): void {
    for (const gauge of [this.#rows, this.#isEstimate, this.#lag]) gauge.remove()
  }
}
