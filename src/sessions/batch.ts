import { AsyncResource } from 'node:async_hooks'
import type { CallCount } from './call-count.js'

/**
 * Where several batches may be in flight, each takes an equal chunk of the queue, but at least this
 * many calls.
 */
const MIN_CHUNK = 16

/**
 * A batch that takes longer than this does not hold up the queue: another one is sent, in
 * milliseconds.
 */
const SLOW_MS = 50

/** How many batches may be in flight while the first ones are slow. */
const MAX_IN_FLIGHT_WHEN_SLOW = 4

/**
 * Calls of one batch came in within this time, in milliseconds: its deadline is that of its first
 * call.
 */
const MAX_SPREAD_MS = 500

/** Called once with the outcome of a call; must not throw. `error` is null on success. */
export type Done<Out> = (error: Error | null, out?: Out) => void

/**
 * A queued call. It calls back in the async context of its caller, not in that of the call that
 * sent the batch.
 */
class Call<In, Out> extends AsyncResource {
  readonly input: In
  /** When it came in, on the process's monotonic clock: a whole number, which takes less memory. */
  readonly atMs: number
  readonly #done: Done<Out>

  constructor (input: In, done: Done<Out>, atMs: number) {
    super('PgSessionStore')
    this.input = input
    this.atMs = Math.floor(atMs)
    this.#done = done
  }

  end (error: Error | null, out?: Out): void {
    this.runInAsyncScope(this.#done, undefined, error, out)
  }
}

/**
 * Runs one batch, and gives an outcome for each input, in their order. An outcome that is a promise
 * holds up its own call only. `waitedMs` is how long the first call has waited, and `callers` are
 * the calls, for what is published about the batch.
 */
export type RunBatch<In, Out> = (
  inputs: In[], waitedMs: number, callers: readonly AsyncResource[]
) => Promise<(Out | Promise<Out>)[]>

export interface BatchOptions<In> {
  /** The largest batch. */
  maxCalls: number
  /**
   * Batches in flight at the same time; default 1. With 2 the process works on one while the other
   * waits for the disk.
   */
  maxInFlight?: number
  /** Calls with the same key are never in flight at the same time, and keep their order. */
  key?: (input: In) => string
  /** Counts the calls. */
  calls?: CallCount
  /** Whether an error may be the fault of one call. If so, each call of the batch is run alone. */
  separable: (error: unknown) => boolean
}

/**
 * Sends calls that come in together to the database together.
 *
 * A lone call is sent at once. While `maxInFlight` batches are in flight, calls are queued; the
 * next batch is sent when one returns. So the batches adapt to the load, and no call waits for a
 * timer. Only when batches are slow may more of them be in flight: a stuck row then holds up its
 * own batch only.
 */
export class Batch<In, Out> {
  readonly #run: RunBatch<In, Out>
  readonly #options: BatchOptions<In>
  readonly #maxInFlight: number
  #queue: Call<In, Out>[] = []
  readonly #keysInFlight = new Set<string>()
  #inFlight = 0
  #isScheduled = false
  #slowTimer: NodeJS.Timeout | undefined

  constructor (run: RunBatch<In, Out>, options: BatchOptions<In>) {
    this.#run = run
    this.#options = options
    this.#maxInFlight = options.maxInFlight ?? 1
  }

  /** How many calls wait for their batch, and how many batches are in flight. */
  get load (): { waiting: number, inFlight: number } {
    return { waiting: this.#queue.length, inFlight: this.#inFlight }
  }

  /** @param atMs when the call came in, on the process's monotonic clock. */
  add (input: In, done: Done<Out>, atMs = performance.now()): void {
    this.#options.calls?.begin()
    this.#queue.push(new Call(input, done, atMs))
    if (this.#hasRoom()) this.#schedule()
    else this.#watchForSlowBatches()
  }

  #hasRoom (): boolean {
    return this.#inFlight < this.#maxInFlight
  }

  /**
   * Sends once the event loop has read everything that has come in by now. Requests of one moment
   * come from many sockets: sent at once, the first would be alone and all others would wait for
   * its return.
   */
  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      // A batch that returned meanwhile may have sent the queue.
      if (this.#hasRoom()) this.#flush()
    })
  }

  #watchForSlowBatches (): void {
    this.#slowTimer ??= setTimeout(() => { this.#flushDespiteSlowBatches() }, SLOW_MS).unref()
  }

  #flushDespiteSlowBatches (): void {
    this.#slowTimer = undefined
    if (this.#queue.length === 0) return
    if (this.#inFlight < MAX_IN_FLIGHT_WHEN_SLOW) this.#flush()
    else this.#watchForSlowBatches()
  }

  #flush (): void {
    const max = Math.min(this.#options.maxCalls, this.#chunk())
    do {
      const batch = this.#dequeue(max)
      if (batch.length === 0) return
      this.#send(batch)
    } while (this.#queue.length > 0 && this.#hasRoom())
    if (this.#queue.length > 0) this.#watchForSlowBatches()
  }

  /** The size of the next batches. Behind slow ones everything goes together. */
  #chunk (): number {
    if (!this.#hasRoom()) return Infinity
    return Math.max(MIN_CHUNK, Math.ceil(this.#queue.length / this.#maxInFlight))
  }

  /**
   * Takes at most `max` calls from the queue, in their order. Calls stay whose key is in flight or
   * already in this batch, and calls that came in too long after the first.
   */
  #dequeue (max: number): Call<In, Out>[] {
    const { key } = this.#options
    const batch: Call<In, Out>[] = []
    const rest: Call<In, Out>[] = []
    for (const call of this.#queue) {
      const name = key?.(call.input)
      const isKeyInFlight = name !== undefined && this.#keysInFlight.has(name)
      const isTooLate = batch[0] !== undefined && Math.abs(call.atMs - batch[0].atMs) > MAX_SPREAD_MS
      if (isKeyInFlight || isTooLate || batch.length === max) {
        rest.push(call)
        continue
      }
      batch.push(call)
      if (name !== undefined) this.#keysInFlight.add(name)
    }
    this.#queue = rest
    return batch
  }

  #send (batch: Call<In, Out>[]): void {
    this.#inFlight++
    void this.#settle(batch).finally(() => {
      this.#inFlight--
      const { key } = this.#options
      if (key !== undefined) for (const { input } of batch) this.#keysInFlight.delete(key(input))
      this.#flush()
    })
  }

  async #settle (batch: Call<In, Out>[]): Promise<void> {
    const waitedMs = performance.now() - (batch[0]?.atMs ?? 0)
    let outcomes: (Out | Promise<Out>)[]
    try {
      outcomes = await this.#run(batch.map(({ input }) => input), waitedMs, batch)
    } catch (error) {
      await this.#fail(batch, error)
      return
    }
    batch.forEach((call, index) => {
      const outcome = outcomes[index] as Out | Promise<Out>
      if (outcome instanceof Promise) {
        outcome.then((out) => { this.#end(call, null, out) }, (error: Error) => { this.#end(call, error) })
      } else {
        this.#end(call, null, outcome)
      }
    })
  }

  async #fail (batch: Call<In, Out>[], error: unknown): Promise<void> {
    if (batch.length > 1 && this.#options.separable(error)) {
      await Promise.all(batch.map((call) => this.#settle([call])))
    } else {
      for (const call of batch) this.#end(call, error as Error)
    }
  }

  #end (call: Call<In, Out>, error: Error | null, out?: Out): void {
    this.#options.calls?.end(call.atMs)
    call.end(error, out)
  }
}
