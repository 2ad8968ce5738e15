/** By how much the clocks may differ, in seconds: as much as the checks of ID tokens tolerate. */
export const MAX_SKEW_S = 30

interface Log {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

/** Compares the clock of this instance with the database's, and reports when they begin or cease to differ. */
export class Clocks {
  readonly #log: Log
  #skewS = 0
  #isWrong = false

  constructor (log: Log) {
    this.#log = log
  }

  /** @param skewMs how far this instance is ahead of the database, in milliseconds; negative: behind. */
  compared (skewMs: number): void {
    this.#skewS = Math.round(skewMs / 1000)
    const isWrong = Math.abs(skewMs) > MAX_SKEW_S * 1000
    if (isWrong === this.#isWrong) return
    this.#isWrong = isWrong
    const details = { clockSkewSeconds: this.#skewS }
    if (isWrong) {
      this.#log.warn(
        { ...details, reason: `${this.problem}: one of the two is wrong` },
        'The clocks of this instance and of the database differ'
      )
    } else {
      this.#log.info(details, 'The clocks of this instance and of the database agree again')
    }
  }

  /** How far this instance is ahead of the database, in whole seconds, if that is too far; negative: behind. */
  get skewSeconds (): number | undefined {
    return this.#isWrong ? this.#skewS : undefined
  }

  /** Says so; undefined if the clocks agree, or have not been compared yet. */
  get problem (): string | undefined {
    if (!this.#isWrong) return undefined
    const direction = this.#skewS > 0 ? 'ahead of' : 'behind'
    return `the clock of this instance is ${Math.abs(this.#skewS)} s ${direction} the database's`
  }
}
