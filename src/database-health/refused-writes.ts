/**
 * SQLSTATEs with which a database that can be read refuses to write, by the names of PostgreSQL's documentation.
 *
 * @see {@link https://www.postgresql.org/docs/current/errcodes-appendix.html}
 */
const NAMES: Readonly<Record<string, string>> = {
  53000: 'insufficient_resources',
  53100: 'disk_full',
  53200: 'out_of_memory',
  53400: 'configuration_limit_exceeded',
  25006: 'read_only_sql_transaction'
}
/** A statement that failed and was not run again since counts as failing for this time, in milliseconds. */
const STALE_MS = 60_000

/** The name of a SQLSTATE with which writes are refused; undefined for any other. */
export const refusalName = (state: string | undefined): string | undefined => NAMES[state ?? '']

/**
 * The statements that the database refuses to run because it cannot write. Others may succeed meanwhile: a full disk
 * still takes a change that fits into the pages of the table.
 */
export class RefusedWrites {
  readonly #lastMs = new Map<object, number>()
  #state: string | undefined

  /** The SQLSTATE of the last refusal; undefined if nothing is refused. */
  get state (): string | undefined {
    return this.#lastMs.size > 0 ? this.#state : undefined
  }

  refused (statement: object, state: string): void {
    this.#lastMs.set(statement, performance.now())
    this.#state = state
  }

  /** @returns whether nothing is refused any more. */
  succeeded (statement: object): boolean {
    this.#lastMs.delete(statement)
    const staleMs = performance.now() - STALE_MS
    for (const [other, ms] of this.#lastMs) if (ms < staleMs) this.#lastMs.delete(other)
    return this.#lastMs.size === 0
  }
}
