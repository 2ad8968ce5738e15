import type { Client, QueryResultRow } from 'pg'
import { layoutOf } from '../../sessions/layout-of.js'
import { quoteTable, type Layout } from '../../sessions/statements/layout.js'
import { TABLE_SHAPE, type TableShape } from '../../sessions/statements/table-shape.js'
import { databaseUrl } from '../environment.js'
import { CommandError, InterruptedError } from '../failure.js'
import type { Terminal } from '../terminal.js'
import { connect } from './connect.js'
import { EVENT_TABLE } from './events.js'
import { troubleOf } from './trouble.js'

/** How long a connection may take, in milliseconds. */
export const CONNECT_MS = 5000
/** How long a statement may take. The role's own `statement_timeout` is made for the server's statements. */
const STATEMENT_MS = 600_000
/** How long a statement waits for a lock. */
const LOCK_MS = 5000
/** What the answer of a statement may take beyond its limit in the database. */
const MARGIN_MS = 5000

/** The table of the server's sessions. */
const TABLE = quoteTable('session')

export interface Run { text: string, values?: readonly unknown[] }

/** One connection, and the session table on it. */
export class CommandDatabase {
  readonly #client: Client
  #layout: Layout | undefined

  constructor (client: Client) {
    this.#client = client
  }

  /**
   * Runs a statement that takes milliseconds, within the role's own time limits.
   *
   * @throws {CommandError}
   */
  async runShort<Row extends QueryResultRow> ({ text, values = [] }: Run): Promise<Row[]> {
    try {
      return (await this.#client.query<Row>(text, [...values])).rows
    } catch (error) {
      throw failed(error)
    }
  }

  /**
   * Runs a statement in a transaction of its own, so that its limits hold behind a pooler in transaction mode, too.
   *
   * @throws {CommandError}
   */
  async run<Row extends QueryResultRow> ({ text, values = [] }: Run): Promise<Row[]> {
    try {
      await this.#client.query(BEGIN)
      const { rows } = await this.#client.query<Row>(text, [...values])
      await this.#client.query('COMMIT')
      return rows
    } catch (error) {
      // A lost connection has ended its transaction.
      await this.#client.query('ROLLBACK').catch(() => {})
      throw failed(error)
    }
  }

  /**
   * How the session table is laid out.
   *
   * @throws {CommandError} if it is missing, or has other columns.
   */
  async layout (): Promise<Layout> {
    this.#layout ??= await this.#look()
    return this.#layout
  }

  /** Whether there is an audit trail that this role may write to. */
  async #recordsEvents (): Promise<boolean> {
    const [row] = await this.runShort<{ writes: boolean | null }>({
      text: 'SELECT has_table_privilege(to_regclass($1), \'INSERT\') AS writes', values: [EVENT_TABLE]
    })
    return row?.writes === true
  }

  async #look (): Promise<Layout> {
    const [row] = await this.runShort<{ shape: TableShape }>({ text: TABLE_SHAPE, values: [TABLE] })
    if (row === undefined) {
      throw new CommandError(`the table ${TABLE} does not exist in this database: the server creates it when it starts`)
    }
    const isRecorded = await this.#recordsEvents()
    try {
      const layout = layoutOf(TABLE, row.shape, { userKey: ['user', 'sub'], keys: [] })
      return isRecorded ? { ...layout, events: quoteTable(EVENT_TABLE) } : layout
    } catch (error) {
      throw new CommandError((error as Error).message)
    }
  }
}

const BEGIN = [
  'BEGIN', `SET LOCAL statement_timeout = ${STATEMENT_MS}`, `SET LOCAL lock_timeout = ${LOCK_MS}`
].join('; ')

function failed (error: unknown): CommandError {
  const { problem, advice } = troubleOf(error)
  return new CommandError(advice === undefined ? problem : `${problem}: ${advice}`)
}

/**
 * Runs `work` with the database of `DATABASE_URL`, and closes the connection.
 *
 * @param options.isBatched `work` looks at `interrupted` itself, between its batches. Otherwise SIGINT ends it at once:
 *   a statement that is under way is rolled back.
 * @throws {CommandError}
 */
export async function withDatabase<Result> (
  { env, interrupted }: Terminal,
  work: (database: CommandDatabase) => Promise<Result>,
  { isBatched = false }: { isBatched?: boolean } = {}
): Promise<Result> {
  const client = await connect(databaseUrl(env), env, { connectMs: CONNECT_MS, queryMs: STATEMENT_MS + MARGIN_MS })
  const stopped = new Promise<never>((_resolve, reject) => {
    if (!isBatched) interrupted.addEventListener('abort', () => { reject(new InterruptedError('interrupted')) })
  })
  try {
    return await Promise.race([work(new CommandDatabase(client)), stopped])
  } finally {
    void client.end().catch(() => {})
  }
}
