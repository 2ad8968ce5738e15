import { codeOf } from '../errors.js'
import { Clocks } from './clocks.js'
import { Outage, type OutageLog } from './outage.js'
import { RefusedWrites, refusalName } from './refused-writes.js'

/** So many failed requests of a fault have a log line of their own. */
const MAX_LINES = 5

interface Log {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** How a statement ended; `error` is undefined if it succeeded. */
export interface Outcome {
  statement: object
  writes: boolean
  error: Error | undefined
  state: string | undefined
}

/** SQLSTATEs that one session's data are to blame for: classes 22 (data), 23 (constraint) and 54 (limit). */
const DATA = /^(22|23|54)/

/**
 * What this process knows of its database. It reports the edges of a fault, and counts the requests that fail
 * meanwhile.
 */
export class DatabaseHealth {
  readonly clocks: Clocks
  readonly #outage: Outage
  readonly #noWrites: Outage
  readonly #refused = new RefusedWrites()
  #failedRequests = 0
  /** Of the fault that is open. */
  #lines = 0

  constructor (log: Log) {
    this.clocks = new Clocks(log)
    this.#outage = this.#outageOf(log, {
      begins: 'The session database fails',
      lasts: 'The session database still fails',
      ends: 'The session database works again'
    })
    this.#noWrites = this.#outageOf(log, {
      begins: 'The session database refuses to write',
      lasts: 'The session database still refuses to write',
      ends: 'The session database writes again'
    })
  }

  /** Whether statements fail, or failed a moment ago. */
  get isFailing (): boolean {
    return this.#outage.isOpen
  }

  /** The SQLSTATE with which the last write was refused; undefined if writes succeed. */
  get refusedWrites (): string | undefined {
    return this.#refused.state
  }

  /** A statement has ended. */
  ended ({ statement, writes, error, state }: Outcome): void {
    if (error === undefined) {
      this.#outage.succeeded()
      if (writes && this.#refused.succeeded(statement)) this.#noWrites.succeeded()
    } else if (writes && state !== undefined && refusalName(state) !== undefined) {
      this.#refused.refused(statement, state)
      this.#noWrites.failed(error, state)
    } else if (codeOf(error) === 'ERR_DATABASE' && !DATA.test(state ?? '')) {
      this.#outage.failed(error, state)
    }
  }

  /**
   * A request fails.
   *
   * @returns whether it needs a log line of its own: during a fault, only the first ones that fail because of it do.
   */
  requestFailed (code: string): boolean {
    if (code !== 'ERR_DATABASE') return true
    this.#failedRequests++
    if (!this.#outage.isOpen && !this.#noWrites.isOpen) return true
    this.#lines++
    return this.#lines <= MAX_LINES
  }

  close (): void {
    this.#outage.close()
    this.#noWrites.close()
  }

  #outageOf (log: Log, messages: Record<keyof OutageLog, string>): Outage {
    const details = (error: Error, state: string | undefined) =>
      ({ code: codeOf(error), state, name: refusalName(state), reason: reasonOf(error) })
    return new Outage({
      begins: (error, state) => {
        this.#lines = 0
        log.error(details(error, state), messages.begins)
      },
      lasts: (fault, error, state) => { log.error({ ...fault, ...details(error, state) }, messages.lasts) },
      ends: (fault) => { log.info(fault, messages.ends) }
    }, () => this.#failedRequests)
  }
}

const reasonOf = (error: Error): string => error.cause instanceof Error ? error.cause.message : error.message
