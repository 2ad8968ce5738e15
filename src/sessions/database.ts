import { createHash } from 'node:crypto'
import type { Pool, PoolClient, QueryResultRow } from 'pg'
import { withDeadline } from './deadline.js'
import { ERR_DATABASE } from './errors.js'
import type { Settings } from './options.js'
import { createTable, qualified } from './sql.js'

/** A call that has not ended by then is given up, in milliseconds. The pool's own bounds come first. */
const DEADLINE_MS = 6000

/** With less time than this left, nothing is asked any more, in milliseconds: it would be done, and nobody told. */
const TOO_LATE_MS = 10

/** How often a statement is run at most. */
const MAX_ATTEMPTS = 3

/** SQLSTATEs of statements that were undone for another's sake: serialization failure, deadlock. */
const RETRIED = /^(40001|40P01)$/

/** SQLSTATE of a missing table. */
const UNDEFINED_TABLE = '42P01'

/** SQLSTATE of a missing column. */
export const UNDEFINED_COLUMN = '42703'

/** SQLSTATEs of a prepared statement that is not there, or there twice: a pooler gave us another connection than we think. Nothing was run. */
const MISLAID_STATEMENT = /^(26000|42P05)$/

/**
 * SQLSTATEs after which a connection is of no more use: class 08 (connection), 57P (server stopping),
 * 25006 (what was the primary is now a read-only standby), 25P02 (a transaction was left open).
 */
const BROKEN = /^(08|57P|25006|25P02)/

/** Which table, and how to speak to it. */
export type DatabaseSettings = Pick<Settings, 'tableName' | 'schemaName' | 'createTableIfMissing' | 'preparedStatements'>

/**
 * The table, and one way to run a statement on it: bounded in time, on a connection that outlives an SQL
 * error (`pool.query` throws it away), with the table created when it is missing, and with every failure
 * an ERR_DATABASE whose cause carries nothing of what was stored.
 */
export class Database {
  readonly #pool: Pool
  readonly #tableName: string
  readonly #schemaName: string | undefined
  readonly #createIfMissing: boolean
  /** The names of statements that are prepared, by their text; undefined: none is. */
  #names: Map<string, string> | undefined
  #creating: Promise<void> | undefined

  constructor (pool: Pool, { tableName, schemaName, createTableIfMissing, preparedStatements }: DatabaseSettings) {
    this.#pool = pool
    this.#tableName = tableName
    this.#schemaName = schemaName
    this.#createIfMissing = createTableIfMissing
    this.#names = preparedStatements ? new Map() : undefined
  }

  get table (): string {
    return qualified(this.#tableName, this.#schemaName)
  }

  /**
   * Rows of `sql`.
   *
   * @param waitedMs what the call has already waited: it counts against the deadline.
   * @throws {ERR_DATABASE}
   */
  async query<Row extends QueryResultRow> (sql: string, values: unknown[] = [], waitedMs = 0): Promise<Row[]> {
    return bounded(async (deadline) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#run<Row>(deadline, sql, values)
        } catch (error) {
          const state = sqlState(error)
          if (attempt === MAX_ATTEMPTS) throw error
          if (state === UNDEFINED_TABLE && this.#createIfMissing) await Promise.race([this.create(), deadline])
          else if (state !== undefined && MISLAID_STATEMENT.test(state)) this.#names = undefined
          else if (state === undefined || !RETRIED.test(state)) throw error
        }
      }
    }, waitedMs)
  }

  /** Creates the table unless it is there. Concurrent calls, also of other processes, create it once. @throws {ERR_DATABASE} */
  async create (): Promise<void> {
    this.#creating ??= bounded((deadline) => this.#create(deadline)).finally(() => { this.#creating = undefined })
    return this.#creating
  }

  async #create (deadline: Promise<never>): Promise<void> {
    // Where it exists, no privilege to create is needed.
    const [row] = await this.#run<{ found: boolean }>(deadline, 'SELECT to_regclass($1) IS NOT NULL AS found', [this.table])
    if (row?.found !== true) await this.#run(deadline, createTable(this.#tableName, this.#schemaName))
  }

  async #run<Row extends QueryResultRow> (deadline: Promise<never>, sql: string, values?: unknown[]): Promise<Row[]> {
    const client = await this.#connect(deadline)
    // In use, a connection has no listener of the pool's: its loss would end the process.
    client.on('error', ignore)
    let broken = true
    try {
      const name = values === undefined ? undefined : this.#name(sql)
      const running = name === undefined ? client.query<Row>(sql, values) : client.query<Row>({ name, text: sql, values })
      const { rows } = await Promise.race([running, deadline])
      broken = false
      return rows
    } catch (error) {
      const state = sqlState(error)
      broken = state === undefined || BROKEN.test(state)
      throw error
    } finally {
      client.release(broken)
      if (broken) {
        // One that is thrown away may still have something to say, as PgBouncer does after the server's own error: the
        // pool, which listens again since the release, would end the process of whoever has no listener on the pool.
        client.removeAllListeners('error').on('error', ignore)
      } else {
        client.removeListener('error', ignore)
      }
    }
  }

  /** Of the statement as it is prepared: made from its text, so that another version of the store, through the same pooler, has another. */
  #name (sql: string): string | undefined {
    if (this.#names === undefined) return undefined
    let name = this.#names.get(sql)
    if (name === undefined) this.#names.set(sql, name = `sessions_${createHash('sha256').update(sql).digest('hex').slice(0, 32)}`)
    return name
  }

  async #connect (deadline: Promise<never>): Promise<PoolClient> {
    const connecting = this.#pool.connect()
    try {
      return await Promise.race([connecting, deadline])
    } catch (error) {
      connecting.then((late) => { late.release() }, ignore)
      throw error
    }
  }
}

/** Runs `work` within the time that is left of a call. @throws {ERR_DATABASE} */
export async function bounded<Value> (work: (deadline: Promise<never>) => Promise<Value>, waitedMs = 0): Promise<Value> {
  const late = () => new Error(`no answer within ${DEADLINE_MS} ms`)
  if (waitedMs > DEADLINE_MS - TOO_LATE_MS) throw unavailable(late())
  try {
    return await withDeadline(DEADLINE_MS - waitedMs, work, late)
  } catch (error) {
    throw unavailable(error)
  }
}

function ignore (): void {}

/** The five characters that PostgreSQL gives its errors; a system error or a time-out has none. */
function sqlState (error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** PostgreSQL's `detail`, `where` and `internalQuery` may quote what was stored: only code and message go on. */
function unavailable (error: unknown): InstanceType<typeof ERR_DATABASE> {
  if (error instanceof ERR_DATABASE) return error
  const { message = String(error), code } = (error ?? {}) as { message?: string, code?: string }
  const reason = code === undefined || message.includes(code) ? message : `${code}: ${message}`
  const failure = new ERR_DATABASE({ cause: new Error(reason === '' ? 'connection failed' : reason) })
  const state = sqlState(error)
  if (state !== undefined) states.set(failure, state)
  return failure
}

/** The SQLSTATEs behind errors. */
const states = new WeakMap<object, string>()

/** The SQLSTATE that PostgreSQL answered with, if it did. */
export const stateOf = (error: unknown): string | undefined => states.get(error as object)

/** Whether one row's data is to blame: SQLSTATE classes 22 (data), 23 (constraint), 54 (limit). */
export const isDataError = (error: unknown): boolean => /^(22|23|54)/.test(stateOf(error) ?? '')
