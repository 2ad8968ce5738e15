import type { AsyncResource } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryConfig, QueryResultRow } from 'pg'
import { statementChannel, type StoreCallName, type StoreStatement } from './channels.js'
import { runOnPool } from './connection.js'
import { withDeadline } from './deadline.js'
import type { Settings } from './options.js'
import {
  databaseError, isLayoutError, isPreparedStatementError, isRolledBack, isValueError, sqlState,
  stateOf, UNDEFINED_TABLE, valueError
} from './sql-errors.js'
import type { RecordedEvent } from './statements/events.js'
import type { Layout } from './statements/layout.js'
import type { Statement } from './statements/statement.js'
import { TableFinder, type FinderSettings } from './table-finder.js'

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

/** Stands for the statements that look at the table and create it. */
const CREATE = { isRead: true } as const

/** How often a statement is run again after its cause of failure was removed. */
const MAX_REPAIRS = 2

/** The longest pause before a statement that was rolled back is run again, in milliseconds. */
const MAX_PAUSE_MS = 100

export type DatabaseSettings = FinderSettings &
  Pick<Settings, 'createTableIfMissing' | 'preparedStatements' | 'deadlineMs'>

/** How a statement ended, after all its attempts. */
export interface StatementOutcome {
  /** The same for each run of a statement, and for no other. */
  statement: object
  /** Whether it changes rows. */
  writes: boolean
  /** What the caller gets, ERR_DATABASE or ERR_SESSION_VALUE; undefined if it succeeded. */
  error: Error | undefined
  /** The SQLSTATE of the error, if PostgreSQL gave one. */
  state: string | undefined
}

/** What a statement is for. */
export interface Source {
  call: StoreCallName
  /** The calls of a batch. */
  callers?: readonly AsyncResource[]
}

/** The statement's SQL for the table, and its name as a prepared statement. */
interface Prepared { text: string, name: string | undefined }

/**
 * Runs statements on the session table. Every statement is bounded in time. The table is looked at
 * when it is first used, and created when it is missing. Every failure is an ERR_DATABASE, unless
 * the column `sess` does not take a value (ERR_SESSION_VALUE).
 */
export class Database {
  /** The store that messages name. */
  readonly store: object
  readonly #pool: Pool
  readonly #settings: DatabaseSettings
  readonly #finder: TableFinder
  readonly #log: (message: string) => void
  readonly #observe: (outcome: StatementOutcome) => void
  readonly #repeatAfterMs: number
  #preparesStatements: boolean
  #layout: Layout | undefined
  #schema: string | undefined
  /** For the layout. */
  #prepared = new Map<object, Prepared>()

  constructor (
    pool: Pool, settings: DatabaseSettings, log: (message: string) => void = () => {},
    { store = {}, observe = () => {} }: { store?: object, observe?: (outcome: StatementOutcome) => void } = {}
  ) {
    this.store = store
    this.#pool = pool
    this.#settings = settings
    this.#log = log
    this.#observe = observe
    this.#repeatAfterMs = settings.deadlineMs * REPEAT_READ_AFTER
    this.#finder = new TableFinder(pool, settings, log, this.#repeatAfterMs)
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
   * @param source for what is published about the statement.
   * @throws {ERR_DATABASE} {ERR_SESSION_VALUE}
   */
  async run<In, Out, Row extends QueryResultRow> (
    statement: Statement<In, Out, Row>, input: In, waitedMs = 0, source?: Source
  ): Promise<Out> {
    const runs = () => this.#bounded(statement, waitedMs, (deadline, endMs) =>
      this.#retry(statement, input, deadline, endMs))
    const isObserved = source !== undefined && statementChannel.hasSubscribers
    const rows = isObserved ? await this.#reporting(statement, source, runs) : await runs()
    if (statement.recorded !== undefined) this.#tell(statement.recorded(rows))
    return statement.outcome(rows, input)
  }

  async #reporting<Rows> (statement: object, { call, callers }: Source, runs: () => Promise<Rows>): Promise<Rows> {
    const startMs = performance.now()
    let error: Error | undefined
    try {
      return await runs()
    } catch (thrown) {
      error = thrown as Error
      throw thrown
    } finally {
      const durationMs = performance.now() - startMs
      const { text } = this.#prepared.get(statement) ?? {}
      const { store } = this
      const state = stateOf(error)
      const message: StoreStatement = { store, call, text, callers, startMs, durationMs, error, state }
      statementChannel.publish(message)
    }
  }

  #tell (events: readonly RecordedEvent[]): void {
    const { onEvent } = this.#settings.events ?? {}
    if (onEvent === undefined) return
    for (const event of events) {
      try {
        onEvent(event)
      } catch {
        this.#log('A listener of events failed')
      }
    }
  }

  /**
   * Looks at the table, and creates it if it is missing. Concurrent calls, also in other processes,
   * create it once.
   *
   * @throws {ERR_DATABASE}
   */
  async create (): Promise<void> {
    await this.#bounded(CREATE, 0, (deadline) => Promise.race([this.#find(true, deadline), deadline]))
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

  async #find (creates: boolean, deadline: Promise<never>): Promise<Layout> {
    const { layout, schema } = await this.#finder.find(creates, deadline)
    if (this.#layout !== layout) this.#prepared = new Map()
    this.#layout = layout
    this.#schema = schema
    return layout
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
    statement: { isRead?: boolean }, waitedMs: number,
    work: (deadline: Promise<never>, endMs: number) => Promise<Value>
  ): Promise<Value> {
    const { deadlineMs } = this.#settings
    const writes = statement.isRead !== true
    const late = () => new Error(`no answer within ${deadlineMs} ms`)
    const leftMs = deadlineMs - waitedMs
    try {
      if (leftMs < MIN_TIME_LEFT_MS) throw late()
      const endMs = performance.now() + leftMs
      const value = await withDeadline(leftMs, (deadline) => work(deadline, endMs), late)
      this.#observe({ statement, writes, error: undefined, state: undefined })
      return value
    } catch (caught) {
      const error = databaseError(caught)
      this.#observe({ statement, writes, error, state: stateOf(error) })
      throw error
    }
  }
}

/**
 * The name of a prepared statement: a hash of its text, so that instances of different versions can
 * share a pooler.
 */
const nameOf = (text: string): string =>
  `sessions_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
