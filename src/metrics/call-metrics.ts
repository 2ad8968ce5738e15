import type { Registry } from 'prom-client'
import { BATCH_CALLS, PREFIX, SHORT_S } from './names.js'
import { outcomeOf } from './outcome.js'
import { Distribution, Tally, type Cell, type Series } from './series.js'

/** Of one kind of call. */
interface OfCall { succeeded: Cell, failed: Map<string, Cell>, duration: Series }

/** Calls of the session store, and the batches that they become. */
export class CallMetrics {
  readonly #calls: Tally
  readonly #duration: Distribution
  readonly #batches: Distribution
  readonly #byCall = new Map<string, OfCall>()
  readonly #batchesByCall = new Map<string, Series>()

  constructor (register: Registry) {
    this.#calls = new Tally({
      name: `${PREFIX}store_calls_total`,
      help: 'Calls of the session store, by call and outcome',
      labelNames: ['call', 'outcome'],
      register
    })
    this.#duration = new Distribution({
      name: `${PREFIX}store_call_duration_seconds`,
      help: 'What a call of the session store takes, with the wait for its batch and for a connection',
      buckets: SHORT_S,
      register
    })
    this.#batches = new Distribution({
      name: `${PREFIX}store_batch_calls`, help: 'Calls that one statement served', buckets: BATCH_CALLS, register
    })
  }

  ended (call: string, durationMs: number, error: Error | undefined): void {
    const { succeeded, failed, duration } = this.#byCall.get(call) ?? this.#add(call)
    duration.observe(durationMs / 1000)
    if (error === undefined) {
      succeeded.value++
      return
    }
    const outcome = outcomeOf(error)
    let cell = failed.get(outcome)
    if (cell === undefined) {
      cell = this.#calls.cell({ call, outcome })
      failed.set(outcome, cell)
    }
    cell.value++
  }

  batch (call: string, size: number): void {
    let series = this.#batchesByCall.get(call)
    if (series === undefined) {
      series = this.#batches.series({ call })
      this.#batchesByCall.set(call, series)
    }
    series.observe(size)
  }

  #add (call: string): OfCall {
    const added = {
      succeeded: this.#calls.cell({ call, outcome: 'ok' }),
      failed: new Map<string, Cell>(),
      duration: this.#duration.series({ call })
    }
    this.#byCall.set(call, added)
    return added
  }
}
