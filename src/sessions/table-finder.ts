import type { Pool } from 'pg'
import { runOnPool } from './connection.js'
import { ERR_DATABASE, EventTableError } from './errors.js'
import { layoutOf } from './layout-of.js'
import type { Settings } from './options.js'
import { Route } from './route.js'
import { sqlState, UNDEFINED_TABLE } from './sql-errors.js'
import {
  createEventTable, EVENT_COLUMNS, EVENT_TABLE_GRANTS, eventTableGrant, eventTableStatements, type NewEventTable
} from './statements/create-event-table.js'
import { createTable } from './statements/create-table.js'
import { quoteTable, type Layout } from './statements/layout.js'
import { TABLE_SHAPE, type TableShape } from './statements/table-shape.js'
import { userColumn, userPath } from './user-column.js'

export type FinderSettings = Pick<
  Settings, 'tableName' | 'schemaName' | 'userKey' | 'keys' | 'endCommit'
> & Partial<Pick<Settings, 'events'>>

/** The table as it was found, and its schema, quoted if need be. */
export interface FoundTable { layout: Layout, schema: string }

/** Looks at the session table and the table of events, and creates them if they are missing. */
export class TableFinder {
  /** The quoted name of the table. */
  readonly #table: string
  readonly #pool: Pool
  readonly #settings: FinderSettings
  readonly #log: (message: string) => void
  readonly #repeatAfterMs: number
  /** By whether a missing table is created. */
  readonly #finding = new Map<boolean, Promise<FoundTable>>()

  /** @param repeatAfterMs as `runOnPool` has it. */
  constructor (pool: Pool, settings: FinderSettings, log: (message: string) => void, repeatAfterMs: number) {
    this.#table = quoteTable(settings.tableName, settings.schemaName)
    this.#pool = pool
    this.#settings = settings
    this.#log = log
    this.#repeatAfterMs = repeatAfterMs
  }

  /**
   * Concurrent calls look once, and, also in other processes, create once.
   *
   * @param creates whether a missing table is created.
   * @throws {ERR_DATABASE} {SessionTableError} {EventTableError} and pg's error
   */
  find (creates: boolean, deadline: Promise<never>): Promise<FoundTable> {
    let finding = this.#finding.get(creates)
    if (finding === undefined) {
      finding = this.#findLayout(creates, deadline).finally(() => { this.#finding.delete(creates) })
      this.#finding.set(creates, finding)
    }
    return finding
  }

  async #findLayout (creates: boolean, deadline: Promise<never>): Promise<FoundTable> {
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
    const layout = this.#layoutOf(shape)
    const events = this.#eventTable()
    if (events !== undefined) await this.#findEventTable(events, creates, deadline)
    return {
      layout: events === undefined ? layout : { ...layout, events: nameOfTable(events) }, schema: shape.schema
    }
  }

  #eventTable (): NewEventTable | undefined {
    const { events, schemaName } = this.#settings
    return events === undefined ? undefined : { tableName: events.tableName, schemaName }
  }

  /** @throws {EventTableError} with the SQL that is missing. */
  async #findEventTable (table: NewEventTable, creates: boolean, deadline: Promise<never>): Promise<void> {
    const name = nameOfTable(table)
    const sql = `${eventTableStatements(table).join(';\n')};`
    let found = await this.#eventGrants(name, deadline)
    if (found === undefined && creates) {
      try {
        await runOnPool(this.#pool, { text: createEventTable(table) }, deadline)
      } catch (error) {
        if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error
        throw new EventTableError(`table ${name} is missing, and the role may not create it. Run as its owner:\n${sql}`)
      }
      found = await this.#eventGrants(name, deadline)
    }
    if (found === undefined) throw new EventTableError(`table ${name} is missing. Run:\n${sql}`)
    const lacking = EVENT_COLUMNS.filter((column) => !found.columns.includes(column))
    if (lacking.length > 0) {
      throw new EventTableError(`table ${name} has no column ${lacking.join(', ')}. As it should be:\n${sql}`)
    }
    if (found.missing.length > 0) {
      const grant = eventTableGrant(table, found.role)
      throw new EventTableError(`the role lacks ${found.missing.join(', ')} on table ${name}. Run:\n${grant};`)
    }
  }

  async #eventGrants (name: string, deadline: Promise<never>): Promise<EventGrants | undefined> {
    const query = { text: EVENT_TABLE_GRANTS, values: [name] }
    const [row] = await runOnPool<EventGrants>(this.#pool, query, deadline, { repeatAfterMs: this.#repeatAfterMs })
    return row
  }

  #layoutOf (shape: TableShape): Layout {
    const layout = layoutOf(this.#table, shape, this.#settings)
    if (!layout.hasExpireIndex) {
      this.#log(`Table ${this.#table} has no index on expire: pruning reads every row`)
    }
    return layout
  }

  /** Before the first statement that may wait for a lock. */
  async #findRoute (deadline: Promise<never>): Promise<void> {
    const route = Route.of(this.#pool)
    if (route.isKnown) return
    const query = { text: 'SELECT pg_backend_pid() AS backend' }
    await runOnPool<{ backend: number }>(this.#pool, query, deadline, {
      repeatAfterMs: this.#repeatAfterMs,
      onRows: ([row], client) => { if (row !== undefined) route.found(client, row.backend) }
    })
  }

  async #shape (deadline: Promise<never>): Promise<TableShape | undefined> {
    await this.#findRoute(deadline)
    const query = { text: TABLE_SHAPE, values: [this.#table] }
    const [row] = await runOnPool<{ shape: TableShape }>(
      this.#pool, query, deadline, { repeatAfterMs: this.#repeatAfterMs }
    )
    return row?.shape
  }
}

interface EventGrants { columns: string[], missing: string[], role: string }

const INSUFFICIENT_PRIVILEGE = '42501'

const nameOfTable = ({ tableName, schemaName }: NewEventTable): string => quoteTable(tableName, schemaName)
