/** A fault is over once nothing has failed for this time, and something has succeeded in it. */
const QUIET_MS = 2000
/** While it lasts, it is reported this often. */
const REMIND_MS = 60_000

/** A fault of the database since its first failure. Durations are in milliseconds. */
export interface Fault {
  /** Until now; of a fault that is over, until the first success. */
  durationMs: number
  /** Requests that were answered with 503 because of the database. */
  failedRequests: number
}

/** Where the edges go, with the error and its SQLSTATE, if PostgreSQL gave one. */
export interface OutageLog {
  begins (error: Error, state: string | undefined): void
  lasts (fault: Fault, error: Error, state: string | undefined): void
  ends (fault: Fault): void
}

/**
 * Turns failures and successes into the edges of a fault: its first failure, and its end. A fault that comes and goes
 * within two seconds is one.
 */
export class Outage {
  readonly #log: OutageLog
  /** The number of failed requests so far. */
  readonly #failedRequests: () => number
  #since: { ms: number, failedRequests: number, toldMs: number } | undefined
  #firstSuccessMs: number | undefined
  #quiet: NodeJS.Timeout | undefined

  constructor (log: OutageLog, failedRequests: () => number) {
    this.#log = log
    this.#failedRequests = failedRequests
  }

  get isOpen (): boolean {
    return this.#since !== undefined
  }

  failed (error: Error, state: string | undefined): void {
    const nowMs = performance.now()
    this.#forgetSuccess()
    if (this.#since === undefined) {
      this.#since = { ms: nowMs, failedRequests: this.#failedRequests(), toldMs: nowMs }
      this.#log.begins(error, state)
    } else if (nowMs - this.#since.toldMs >= REMIND_MS) {
      this.#since.toldMs = nowMs
      this.#log.lasts(this.#fault(this.#since, nowMs), error, state)
    }
  }

  succeeded (): void {
    if (this.#since === undefined || this.#quiet !== undefined) return
    this.#firstSuccessMs = performance.now()
    this.#quiet = setTimeout(() => { this.#end() }, QUIET_MS).unref()
  }

  close (): void {
    clearTimeout(this.#quiet)
  }

  #end (): void {
    const fault = this.#since === undefined
      ? undefined
      : this.#fault(this.#since, this.#firstSuccessMs ?? performance.now())
    this.#since = undefined
    this.#forgetSuccess()
    if (fault !== undefined) this.#log.ends(fault)
  }

  #forgetSuccess (): void {
    clearTimeout(this.#quiet)
    this.#quiet = undefined
    this.#firstSuccessMs = undefined
  }

  #fault (since: { ms: number, failedRequests: number }, untilMs: number): Fault {
    return {
      durationMs: Math.round(untilMs - since.ms),
      failedRequests: this.#failedRequests() - since.failedRequests
    }
  }
}
