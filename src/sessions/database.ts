import { createHash } from 'node:crypto'
import type { Pool, QueryConfig, QueryResultRow } from 'pg'
import { runOnPool } from './connection.js'
import { withDeadline } from './deadline.js'
import type { Settings } from './options.js'
import {
  databaseError, isPreparedStatementError, isRolledBack, sqlState, UNDEFINED_TABLE
} from './sql-errors.js'
import { createTable } from './statements/create-table.js'
import { quoteTable } from './statements/expressions.js'
import type { Statement } from './statements/statement.js'
import { tableExists } from './statements/table-exists.js'

/** A call fails when it has taken this long, in milliseconds. The pool's bounds are shorter. */
const DEADLINE_MS = 6000

/**
 * With less time left than this, in milliseconds, no statement is sent: it would run without
 * anyone learning its outcome.
 */
const MIN_TIME_LEFT_MS = 10

/**
 * A statement that only reads is repeated once when it has taken this long, in milliseconds. The
 * rest of the time is longer, so a slow database that answers each statement by the deadline of the
 * pool is still slow and not unavailable.
 */
const REPEAT_READ_AFTER_MS = 0.4 * DEADLINE_MS

/** How often a statement is run at most. */
const MAX_ATTEMPTS = 3

export type DatabaseSettings =
  Pick<Settings, 'tableName' | 'schemaName' | 'createTableIfMissing' | 'preparedStatements'>

/**
 * Runs statements on the session table. Every statement is bounded in time. The table is created
 * when it is missing. Every failure is an ERR_DATABASE.
 */
export class Database {
  /** The quoted name of the table. */
  readonly table: string
  readonly #pool: Pool
  readonly #settings: DatabaseSettings
  /** Names of prepared statements by their text; undefined: statements are not prepared. */
  #names: Map<string, string> | undefined
  #creating: Promise<void> | undefined

  constructor (pool: Pool, settings: DatabaseSettings) {
    this.table = quoteTable(settings.tableName, settings.schemaName)
    this.#pool = pool
    this.#settings = settings
    this.#names = settings.preparedStatements ? new Map() : undefined
  }

  /**
   * Runs a statement.
   *
   * @param waitedMs how long the call has waited already. It counts against the deadline.
   * @throws {ERR_DATABASE}
   */
  async run<In, Out, Row extends QueryResultRow> (
    statement: Statement<In, Out, Row>, input: In, waitedMs = 0
  ): Promise<Out> {
    const rows = await bounded(waitedMs, (deadline) => this.#retry(statement, input, deadline))
    return statement.outcome(rows, input)
  }

  /**
   * Creates the table if it is missing. Concurrent calls, also in other processes, create it once.
   *
   * @throws {ERR_DATABASE}
   */
  async create (): Promise<void> {
    this.#creating ??= bounded(0, (deadline) => this.#create(deadline)).finally(() => {
      this.#creating = undefined
    })
    return this.#creating
  }

  async #create (deadline: Promise<never>): Promise<void> {
    // An existing table needs no privilege to create one.
    const rows = await this.#run(tableExists, this.table, deadline)
    if (tableExists.outcome(rows, this.table)) return
    const { tableName, schemaName } = this.#settings
    await runOnPool(this.#pool, { text: createTable(tableName, schemaName) }, deadline)
  }

  async #retry<In, Row extends QueryResultRow> (
    statement: Statement<In, unknown, Row>, input: In, deadline: Promise<never>
  ): Promise<Row[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#run(statement, input, deadline)
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !await this.#canRetry(error, deadline)) throw error
      }
    }
  }

  /** Removes the cause of the error where that is possible. */
  async #canRetry (error: unknown, deadline: Promise<never>): Promise<boolean> {
    const state = sqlState(error)
    if (state === UNDEFINED_TABLE && this.#settings.createTableIfMissing) {
      await Promise.race([this.create(), deadline])
      return true
    }
    if (isPreparedStatementError(state)) {
      this.#names = undefined
      return true
    }
    return isRolledBack(state)
  }

  #run<In, Row extends QueryResultRow> (
    { text, values, isRead }: Statement<In, unknown, Row>, input: In, deadline: Promise<never>
  ): Promise<Row[]> {
    const query: QueryConfig = { text, values: values(input) }
    if (this.#names !== undefined) query.name = nameOf(text, this.#names)
    const repeatAfterMs = isRead === true ? REPEAT_READ_AFTER_MS : undefined
    return runOnPool<Row>(this.#pool, query, deadline, repeatAfterMs)
  }
}

/**
 * The name of a prepared statement: a hash of its text, so that instances of different versions can
 * share a pooler.
 */
function nameOf (text: string, names: Map<string, string>): string {
  let name = names.get(text)
  if (name === undefined) {
    name = `sessions_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
    names.set(text, name)
  }
  return name
}

/** Runs `work` within the time that is left for a call. @throws {ERR_DATABASE} */
async function bounded<Value> (
  waitedMs: number, work: (deadline: Promise<never>) => Promise<Value>
): Promise<Value> {
  const late = () => new Error(`no answer within ${DEADLINE_MS} ms`)
  try {
    if (waitedMs > DEADLINE_MS - MIN_TIME_LEFT_MS) throw late()
    return await withDeadline(DEADLINE_MS - waitedMs, work, late)
  } catch (error) {
    throw databaseError(error)
  }
}
