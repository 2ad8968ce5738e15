import { createHash } from 'node:crypto'
import type { Pool, QueryResultRow } from 'pg'
import { ERR_DATABASE } from './errors.js'
import { createTable, qualified } from './sql.js'

/** A statement that has not ended by then is given up, in milliseconds. The pool's own bounds come first. */
const DEADLINE_MS = 6000

/** SQLSTATE of a missing table. */
const UNDEFINED_TABLE = '42P01'

/**
 * SQLSTATEs after which a connection is of no more use: class 08 (connection), 57P (server stopping),
 * 25006 (what was the primary is now a read-only standby), 25P02 (a transaction was left open).
 */
const BROKEN = /^(08|57P|25006|25P02)/

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
  /** Names the table's advisory locks; a bigint as text. */
  readonly lockKey: string
  #creating: Promise<void> | undefined

  constructor (pool: Pool, table: { tableName: string, schemaName: string | undefined, createIfMissing: boolean }) {
    this.#pool = pool
    this.#tableName = table.tableName
    this.#schemaName = table.schemaName
    this.#createIfMissing = table.createIfMissing
    this.lockKey = createHash('sha256').update(`cashsouk-auth:${this.table}`).digest().readBigInt64BE().toString()
  }

  get table (): string {
    return qualified(this.#tableName, this.#schemaName)
  }

  /** Rows of `sql`. @throws {ERR_DATABASE} */
  async query<Row extends QueryResultRow> (sql: string, values: unknown[] = []): Promise<Row[]> {
    try {
      return await this.#bounded<Row>(sql, values)
    } catch (error) {
      if (!this.#createIfMissing || sqlState(error) !== UNDEFINED_TABLE) throw unavailable(error)
    }
    await this.create()
    return this.#bounded<Row>(sql, values).catch((error: unknown) => { throw unavailable(error) })
  }

  /** Creates the table unless it is there. Concurrent calls, also of other processes, create it once. @throws {ERR_DATABASE} */
  async create (): Promise<void> {
    this.#creating ??= this.#create().finally(() => { this.#creating = undefined })
    return this.#creating
  }

  async #create (): Promise<void> {
    try {
      // Where it exists, no privilege to create is needed.
      const [row] = await this.#bounded<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [this.table])
      if (row?.found !== true) await this.#bounded(createTable(this.#tableName, this.lockKey, this.#schemaName))
    } catch (error) {
      throw unavailable(error)
    }
  }

  async #bounded<Row extends QueryResultRow> (sql: string, values?: unknown[]): Promise<Row[]> {
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => { reject(new Error(`no answer within ${DEADLINE_MS} ms`)) }, DEADLINE_MS).unref()
    })
    try {
      return await Promise.race([this.#run<Row>(sql, values), deadline])
    } finally {
      clearTimeout(timer)
    }
  }

  async #run<Row extends QueryResultRow> (sql: string, values?: unknown[]): Promise<Row[]> {
    const client = await this.#pool.connect()
    let broken = true
    try {
      const { rows } = await client.query<Row>(sql, values)
      broken = false
      return rows
    } catch (error) {
      const state = sqlState(error)
      broken = state === undefined || BROKEN.test(state)
      throw error
    } finally {
      client.release(broken)
    }
  }
}

/** The five characters that PostgreSQL gives its errors; a system error or a time-out has none. */
function sqlState (error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** PostgreSQL's `detail`, `where` and `internalQuery` may quote what was stored: only code and message go on. */
function unavailable (error: unknown): InstanceType<typeof ERR_DATABASE> {
  const { message = String(error), code } = (error ?? {}) as { message?: string, code?: string }
  const reason = code === undefined || message.includes(code) ? message : `${code}: ${message}`
  return new ERR_DATABASE({ cause: new Error(reason === '' ? 'connection failed' : reason) })
}
