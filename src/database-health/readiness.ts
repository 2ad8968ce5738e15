import { codeOf } from '../errors.js'

interface Log {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

/** Reports when the answer of the readiness probe changes. */
export class Readiness {
  readonly #log: Log
  /** Of the last probe: the code of its refusal, or `ready`. At the start, the server is taken for ready. */
  #last = 'ready'

  constructor (log: Log) {
    this.#log = log
  }

  ready (): void {
    if (this.#last === 'ready') return
    this.#last = 'ready'
    this.#log.info({}, 'Ready again')
  }

  /** @param error whose code the probe answers with. */
  notReady (error: Error): void {
    const code = codeOf(error)
    if (this.#last === code) return
    this.#last = code
    const reason = error.cause instanceof Error ? error.cause.message : error.message
    this.#log[code === 'ERR_DRAINING' ? 'info' : 'warn']({ code, reason }, 'Not ready')
  }
}
