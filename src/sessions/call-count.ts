/** Counts calls that wait for the database, and how long they waited. */
export class CallCount {
  #pending = 0
  #ended = 0
  #totalMs = 0

  /** How many have no outcome yet. */
  get pending (): number {
    return this.#pending
  }

  /** How many have had an outcome since the start. */
  get ended (): number {
    return this.#ended
  }

  /** How long all of these waited for it together, in milliseconds. */
  get totalMs (): number {
    return this.#totalMs
  }

  begin (): void {
    this.#pending++
  }

  /** @param atMs when the call came in, on the process's monotonic clock. */
  end (atMs: number): void {
    this.#pending--
    this.#ended++
    this.#totalMs += performance.now() - atMs
  }
}
