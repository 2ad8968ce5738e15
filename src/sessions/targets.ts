import { singleHosts, wantsWritable } from './hosts.js'
import { databaseReason, sqlState } from './sql-errors.js'

/** Where a connection leads. */
export interface Server {
  host: string
  port: number
  user: string
}

/** Where the connections of a pool lead, asked for each new one. */
export interface ConnectionSource {
  /**
   * The connection string. Further ones differ in the user name and the password only, and are tried
   * when the server refuses the first. The same array as long as nothing changes.
   */
  strings (): readonly string[]
  /** In place of the password of the connection string. Its error is the connection's. */
  password?: ((server: Server) => Promise<string>) | undefined
  /**
   * Called once for an attempt to connect, when the server has refused the password.
   *
   * @returns whether there may be another one now.
   */
  refresh?: (() => Promise<boolean>) | undefined
}

/** The server takes no writes. */
export class ReadOnlyError extends Error {}

/** Wrong password, and what other methods of authentication say (such as PAM, which RDS uses for its tokens). */
const REFUSED = /^28(P01|000)$/

/** The connection ended, or the server starts or stops. */
const ELSEWHERE = /^(08|57P)/

/** The states of one attempt to connect. */
interface Attempt { isRefreshed: boolean, logins: number, reasons: string[] }

/**
 * The connection strings that a pool may use, each for one host: logins by hosts. All connections use
 * the same one, until it fails.
 */
export class Targets {
  readonly #source: ConnectionSource
  #strings: readonly string[] = []
  #hosts: string[][] = []
  #login = 0
  #host = 0
  isWritableOnly = false

  constructor (source: ConnectionSource) {
    this.#source = source
    this.#read()
  }

  /** How many hosts there are. */
  get hosts (): number {
    return this.#hosts[0]?.length ?? 1
  }

  /** The connection string for the next connection. */
  get current (): string {
    this.#read()
    return this.#hosts[this.#login]?.[this.#host] ?? ''
  }

  get password (): ConnectionSource['password'] {
    return this.#source.password
  }

  /** An attempt to connect, with what `again` has to know. */
  begin (): Attempt {
    return { isRefreshed: false, logins: 1, reasons: [] }
  }

  /** Whether to try again after this error, which happened with `tried`: with the string that is then current. */
  async again (attempt: Attempt, tried: string, error: unknown): Promise<boolean> {
    const state = sqlState(error)
    if (REFUSED.test(state ?? '')) {
      if (!attempt.isRefreshed) {
        attempt.isRefreshed = true
        if (await this.#source.refresh?.() === true) return true
      }
      if (this.current === tried) this.#login = (this.#login + 1) % this.#hosts.length
      return attempt.logins++ < this.#hosts.length
    }
    // The pool has no free connection.
    const isBusy = (error as Error | undefined)?.message === 'timeout exceeded when trying to connect'
    if (isBusy || (state !== undefined && !ELSEWHERE.test(state))) return false
    if (this.current === tried) this.#host = (this.#host + 1) % this.hosts
    attempt.reasons.push(databaseReason(error))
    return attempt.reasons.length < this.hosts
  }

  /** What an attempt fails with: what each host said. */
  failure ({ reasons }: Attempt, error: unknown): unknown {
    return reasons.length < 2 ? error : new Error(`no host can be used: ${reasons.join('; ')}`)
  }

  #read (): void {
    const strings = this.#source.strings()
    if (strings === this.#strings) return
    this.#strings = strings
    this.#hosts = strings.map(singleHosts)
    this.#login = 0
    this.isWritableOnly = wantsWritable(strings[0] ?? '')
  }
}
