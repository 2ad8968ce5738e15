/** A batch that takes longer than this does not hold up the calls behind it, in milliseconds: another starts beside it. */
const PATIENCE_MS = 50

/** How many batches of one kind may be away at once when the first ones are slow. */
const MAX_AWAY = 4

/** `atMs`: when the call came in, on the process's monotonic clock. */
interface Call<In, Out> { item: In, atMs: number, done: Done<Out> }

/** Told once how a call ended; must not throw. `error` null: well. */
export type Done<Out> = (error: Error | null, out?: Out) => void

export interface BatchOptions<In> {
  /** Calls that go together at most. */
  max: number
  /** Calls of the same key do not go together, but one after the other. */
  key?: (item: In) => string
  /** Whether an error may be the fault of one item: then each is run alone. */
  separable: (error: unknown) => boolean
}

/**
 * Sends calls that wait at the same moment to the database together.
 *
 * A lone call goes out at once. While a batch is away, the calls that come in wait for its return and then
 * go out as the next: so the batch adapts to the load, and no call waits for a timer. Only one batch is
 * away at a time, unless it is slow: then a stuck row holds up its own batch alone.
 */
export class Batch<In, Out> {
  readonly #run: (items: In[], waitedMs: number) => Promise<(Out | Promise<Out>)[]>
  readonly #options: BatchOptions<In>
  #waiting: Call<In, Out>[] = []
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
  }

  add (item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.call(item, (error, out) => { if (error === null) resolve(out as Out); else reject(error) })
    })
  }

  /** `add` without a promise: for what happens at every request. */
  call (item: In, done: Done<Out>): void {
    this.#waiting.push({ item, atMs: performance.now(), done })
    if (this.#away === 0) this.#schedule()
    else this.#bePatient()
  }

  /** After this tick, so that all calls of it go together. */
  #schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.#flush()
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
    if (this.#waiting.length === 0) return
    const calls = this.#next()
    this.#away++
    void this.#settle(calls).finally(() => {
      this.#away--
      this.#flush()
    })
    if (this.#waiting.length > 0) this.#bePatient()
  }

  /** The calls that go next, in their order; those that must not go together stay. */
  #next (): Call<In, Out>[] {
    const { key, max } = this.#options
    if (key === undefined) return this.#waiting.splice(0, max)
    const calls = new Map<string, Call<In, Out>>()
    const rest: Call<In, Out>[] = []
    for (const call of this.#waiting) {
      const name = key(call.item)
      if (calls.size < max && !calls.has(name)) calls.set(name, call)
      else rest.push(call)
    }
    this.#waiting = rest
    return [...calls.values()]
  }

  async #settle (calls: Call<In, Out>[]): Promise<void> {
    let outcomes: (Out | Promise<Out>)[]
    try {
      outcomes = await this.#run(calls.map(({ item }) => item), performance.now() - (calls[0]?.atMs ?? 0))
    } catch (error) {
      if (calls.length > 1 && this.#options.separable(error)) await Promise.all(calls.map((call) => this.#settle([call])))
      else for (const { done } of calls) done(error as Error)
      return
    }
    calls.forEach(({ done }, index) => {
      const outcome = outcomes[index] as Out | Promise<Out>
      if (outcome instanceof Promise) outcome.then((out) => { done(null, out) }, done)
      else done(null, outcome)
    })
  }
}
