import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryConfig, QueryResultRow } from 'pg'
import { runOnPool } from './connection.js'
import { withDeadline } from './deadline.js'
import { ERR_DATABASE } from './errors.js'
import { layoutOf } from './layout-of.js'
import type { Settings } from './options.js'
import {
  databaseError, isLayoutError, isPreparedStatementError, isRolledBack, isValueError, sqlState,
  UNDEFINED_TABLE, valueError
} from './sql-errors.js'
import { createTable } from './statements/create-table.js'
import { quoteTable, type Layout } from './statements/layout.js'
import type { Statement } from './statements/statement.js'
import { TABLE_SHAPE, type TableShape } from './statements/table-shape.js'
import { userColumn, userPath } from './user-column.js'

/**
 * With less time left than this, in milliseconds, no statement is sent: it would run without
 * anyone learning its outcome.
 */
const MIN_TIME_LEFT_MS = 10

/**
 * A statement that only reads is repeated once when it has taken this part of the time for a call.
 * The rest is longer, so a slow database that answers each statement by the deadline of the pool is
 * still slow and not unavailable.
 */
const REPEAT_READ_AFTER = 0.4

/** How often a statement is run again after its cause of failure was removed. */
const MAX_REPAIRS = 2

/** The longest pause before a statement that was rolled back is run again, in milliseconds. */
const MAX_PAUSE_MS = 100

export type DatabaseSettings = Pick<
  Settings,
  'tableName' | 'schemaName' | 'createTableIfMissing' | 'preparedStatements' | 'deadlineMs'
  | 'userKey' | 'keys'
>

/** The statement's SQL for the table, and its name as a prepared statement. */
interface Prepared { text: string, name: string | undefined }

/**
 * Runs statements on the session table. Every statement is bounded in time. The table is looked at
 * when it is first used, and created when it is missing. Every failure is an ERR_DATABASE, unless
 * the column `sess` does not take a value (ERR_SESSION_VALUE).
 */
export class Database {
  /** The quoted name of the table. */
  readonly #table: string
  readonly #pool: Pool
  readonly #settings: DatabaseSettings
  readonly #log: (message: string) => void
  readonly #repeatAfterMs: number
  #preparesStatements: boolean
  #layout: Layout | undefined
  #schema: string | undefined
  /** By whether a missing table is created. */
  readonly #finding = new Map<boolean, Promise<Layout>>()
  /** For the layout. */
  #prepared = new Map<object, Prepared>()

  constructor (pool: Pool, settings: DatabaseSettings, log: (message: string) => void = () => {}) {
    this.#table = quoteTable(settings.tableName, settings.schemaName)
    this.#pool = pool
    this.#settings = settings
    this.#log = log
    this.#repeatAfterMs = settings.deadlineMs * REPEAT_READ_AFTER
    this.#preparesStatements = settings.preparedStatements
  }

  /** The layout of the table, if it is known. */
  get layout (): Layout | undefined {
    return this.#layout
  }

  /** The schema in which the table was found; undefined before it was looked at. */
  get schema (): string | undefined {
    return this.#schema
  }

  /**
   * Runs a statement.
   *
   * @param waitedMs how long the call has waited already. It counts against the deadline.
   * @throws {ERR_DATABASE} {ERR_SESSION_VALUE}
   */
  async run<In, Out, Row extends QueryResultRow> (
    statement: Statement<In, Out, Row>, input: In, waitedMs = 0
  ): Promise<Out> {
    const rows = await this.#bounded(waitedMs, (deadline, endMs) =>
      this.#retry(statement, input, deadline, endMs))
    return statement.outcome(rows, input)
  }

  /**
   * Looks at the table, and creates it if it is missing. Concurrent calls, also in other processes,
   * create it once.
   *
   * @throws {ERR_DATABASE}
   */
  async create (): Promise<void> {
    await this.#bounded(0, (deadline) => Promise.race([this.#find(true, deadline), deadline]))
  }

  async #retry<In, Row extends QueryResultRow> (
    statement: Statement<In, unknown, Row>, input: In, deadline: Promise<never>, endMs: number
  ): Promise<Row[]> {
    let repairs = 0
    for (let attempt = 1; ; attempt++) {
      try {
        const layout = this.#layout ??
          await Promise.race([this.#find(this.#settings.createTableIfMissing, deadline), deadline])
        return await this.#run(statement, layout, input, deadline)
      } catch (error) {
        const state = sqlState(error)
        if (isRolledBack(state)) {
          const pauseMs = Math.random() * Math.min(MAX_PAUSE_MS, 5 * 2 ** attempt)
          if (performance.now() + pauseMs > endMs) throw error
          await sleep(pauseMs)
        } else if (repairs++ === MAX_REPAIRS || !this.#repair(state)) {
          throw statement.writesSess === true && isValueError(state) ? valueError(error) : error
        }
      }
    }
  }

  /** Removes the cause of the error where that is possible. */
  #repair (state: string | undefined): boolean {
    if (isPreparedStatementError(state)) {
      this.#preparesStatements = false
      this.#prepared = new Map()
      return true
    }
    if (!isLayoutError(state)) return false
    if (state === UNDEFINED_TABLE && !this.#settings.createTableIfMissing) return false
    // The table was changed, or dropped, since it was looked at.
    this.#layout = undefined
    return true
  }

  #find (creates: boolean, deadline: Promise<never>): Promise<Layout> {
    let finding = this.#finding.get(creates)
    if (finding === undefined) {
      finding = this.#findLayout(creates, deadline).finally(() => { this.#finding.delete(creates) })
      this.#finding.set(creates, finding)
    }
    return finding
  }

  async #findLayout (creates: boolean, deadline: Promise<never>): Promise<Layout> {
    let shape = await this.#shape(deadline)
    if (shape === undefined && creates) {
      const { tableName, schemaName, userKey } = this.#settings
      const text = createTable({
        tableName, schemaName, userColumn: userColumn(userKey), userPath: userPath(userKey)
      })
      await runOnPool(this.#pool, { text }, deadline)
      shape = await this.#shape(deadline)
    }
    if (shape === undefined) {
      throw new ERR_DATABASE({ cause: new Error(`${UNDEFINED_TABLE}: relation ${this.#table} does not exist`) })
    }
    this.#prepared = new Map()
    this.#layout = this.#layoutOf(shape)
    this.#schema = shape.schema
    return this.#layout
  }

  #layoutOf (shape: TableShape): Layout {
    const layout = layoutOf(this.#table, shape, this.#settings)
    if (!layout.hasExpireIndex) {
      this.#log(`Table ${this.#table} has no index on expire: pruning reads every row`)
    }
    return layout
  }

  async #shape (deadline: Promise<never>): Promise<TableShape | undefined> {
    const query = { text: TABLE_SHAPE, values: [this.#table] }
    const [row] = await runOnPool<{ shape: TableShape }>(
      this.#pool, query, deadline, { repeatAfterMs: this.#repeatAfterMs }
    )
    return row?.shape
  }

  #run<In, Row extends QueryResultRow> (
    statement: Statement<In, unknown, Row>, layout: Layout, input: In, deadline: Promise<never>
  ): Promise<Row[]> {
    let prepared = this.#prepared.get(statement)
    if (prepared === undefined) {
      const text = statement.text(layout)
      prepared = { text, name: this.#preparesStatements ? nameOf(text) : undefined }
      this.#prepared.set(statement, prepared)
    }
    const query: QueryConfig = { text: prepared.text, values: statement.values(input) }
    if (prepared.name !== undefined) query.name = prepared.name
    const repeatAfterMs = statement.isRead === true ? this.#repeatAfterMs : undefined
    const locks = statement.locks?.(input)
    const transaction = locks === undefined ? undefined : { locks, isStale: statement.isStale }
    return runOnPool<Row>(this.#pool, query, deadline, { repeatAfterMs, transaction })
  }

  /** Runs `work` within the time that is left for a call. @throws {ERR_DATABASE} */
  async #bounded<Value> (
    waitedMs: number, work: (deadline: Promise<never>, endMs: number) => Promise<Value>
  ): Promise<Value> {
    const { deadlineMs } = this.#settings
    const late = () => new Error(`no answer within ${deadlineMs} ms`)
    const leftMs = deadlineMs - waitedMs
    try {
      if (leftMs < MIN_TIME_LEFT_MS) throw late()
      const endMs = performance.now() + leftMs
      return await withDeadline(leftMs, (deadline) => work(deadline, endMs), late)
    } catch (error) {
      throw databaseError(error)
    }
  }
}

/**
 * The name of a prepared statement: a hash of its text, so that instances of different versions can
 * share a pooler.
 */
const nameOf = (text: string): string =>
  `sessions_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
