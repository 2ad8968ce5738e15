import { AsyncResource } from 'node:async_hooks'

/** Where several batches may be away at once, each takes its share of the calls that wait: at least so many. */
const MIN_SHARE = 16

/** A batch that takes longer than this does not hold up the calls behind it, in milliseconds: another starts beside it. */
const PATIENCE_MS = 50

/** How many batches of one kind may be away at once when the first ones are slow. */
const MAX_AWAY = 4

/** Calls go together that came within this time, in milliseconds: a batch has the deadline of its first. */
const SPREAD_MS = 500

/** Told once how a call ended; must not throw. `error` null: well. */
export type Done<Out> = (error: Error | null, out?: Out) => void

/** A call that waits, or is away. It ends in its caller's asynchronous context, and not in that of whoever's call sent the batch. */
class Call<In, Out> extends AsyncResource {
  readonly item: In
  /** When it came in, on the process's monotonic clock. */
  readonly atMs = performance.now()
  readonly #done: Done<Out>

  constructor (item: In, done: Done<Out>) {
    super('PgSessionStore')
    this.item = item
    this.#done = done
  }

  end (error: Error | null, out?: Out): void {
    this.runInAsyncScope(this.#done, undefined, error, out)
  }
}

export interface BatchOptions<In> {
  /** Calls that go together at most. */
  max: number
  /** Batches that are away at once; default 1. With 2 the process has something to do while one waits for the disk. */
  atOnce?: number
  /** Calls of the same key are not away at the same time, but one after the other. */
  key?: (item: In) => string
  /** Whether an error may be the fault of one item: then each is run alone. */
  separable: (error: unknown) => boolean
}

/**
 * Sends calls that wait at the same moment to the database together.
 *
 * A lone call goes out at once. While as many batches are away as may be, the calls that come in wait for the return
 * of one and then go out as the next: so the batch adapts to the load, and no call waits for a timer. No more are away,
 * unless they are slow: then a stuck row holds up its own batch alone.
 */
export class Batch<In, Out> {
  readonly #run: (items: In[], waitedMs: number) => Promise<(Out | Promise<Out>)[]>
  readonly #options: BatchOptions<In>
  readonly #atOnce: number
  #waiting: Call<In, Out>[] = []
  readonly #keysAway = new Set<string>()
  #away = 0
  #scheduled = false
  #patience: NodeJS.Timeout | undefined

  /**
   * @param run gives an outcome for each item, in their order, or a promise of one that holds up only its own call;
   *   `waitedMs` is how long the first of them has waited.
   */
  constructor (run: (items: In[], waitedMs: number) => Promise<(Out | Promise<Out>)[]>, options: BatchOptions<In>) {
    this.#run = run
    this.#options = options
    this.#atOnce = options.atOnce ?? 1
  }

  call (item: In, done: Done<Out>): void {
    this.#waiting.push(new Call(item, done))
    if (this.#away < this.#atOnce) this.#schedule()
    else this.#bePatient()
  }

  /**
   * When everything is read that has come in by now: the requests of one moment come from many sockets, and after the
   * first of them alone all others would have to wait. Where there are no others, this is at once.
   */
  #schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      // One that came back meanwhile may have sent the next ones already.
      if (this.#away < this.#atOnce) this.#flush()
    })
  }

  #bePatient (): void {
    this.#patience ??= setTimeout(() => { this.#impatient() }, PATIENCE_MS).unref()
  }

  #impatient (): void {
    this.#patience = undefined
    if (this.#waiting.length === 0) return
    if (this.#away < MAX_AWAY) this.#flush()
    else this.#bePatient()
  }

  #flush (): void {
    // Before the first takes its own: where two may go now, they take halves.
    const share = this.#away < this.#atOnce ? Math.max(MIN_SHARE, Math.ceil(this.#waiting.length / this.#atOnce)) : Infinity
    do {
      const { calls, keys } = this.#next(Math.min(this.#options.max, share))
      if (calls.length === 0) return
      this.#send(calls, keys)
    } while (this.#waiting.length > 0 && this.#away < this.#atOnce)
    if (this.#waiting.length > 0) this.#bePatient()
  }

  #send (calls: Call<In, Out>[], keys: Set<string>): void {
    for (const key of keys) this.#keysAway.add(key)
    this.#away++
    void this.#settle(calls).finally(() => {
      for (const key of keys) this.#keysAway.delete(key)
      this.#away--
      this.#flush()
    })
  }

  /** The calls that go next, `max` at most, in their order, and their keys; those that must not go with them, or not yet, stay. */
  #next (max: number): { calls: Call<In, Out>[], keys: Set<string> } {
    const { key } = this.#options
    const calls: Call<In, Out>[] = []
    const rest: Call<In, Out>[] = []
    const keys = new Set<string>()
    for (const call of this.#waiting) {
      const name = key?.(call.item)
      const isBehind = name !== undefined && (keys.has(name) || this.#keysAway.has(name))
      if (isBehind || calls.length === max || call.atMs - (calls[0] ?? call).atMs > SPREAD_MS) {
        rest.push(call)
      } else {
        calls.push(call)
        if (name !== undefined) keys.add(name)
      }
    }
    this.#waiting = rest
    return { calls, keys }
  }

  async #settle (calls: Call<In, Out>[]): Promise<void> {
    let outcomes: (Out | Promise<Out>)[]
    try {
      outcomes = await this.#run(calls.map(({ item }) => item), performance.now() - (calls[0]?.atMs ?? 0))
    } catch (error) {
      if (calls.length > 1 && this.#options.separable(error)) await Promise.all(calls.map((call) => this.#settle([call])))
      else for (const call of calls) call.end(error as Error)
      return
    }
    calls.forEach((call, index) => {
      const outcome = outcomes[index] as Out | Promise<Out>
      if (outcome instanceof Promise) outcome.then((out) => { call.end(null, out) }, (error: Error) => { call.end(error) })
      else call.end(null, outcome)
    })
  }
}
