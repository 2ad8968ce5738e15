import { withDatabase } from '../database/database.js'
import { eventTable, selectEvents, type AuthEvent } from '../database/events.js'
import { CommandError } from '../failure.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { table } from '../table.js'
import { timeOf } from '../words.js'

/** `events` */
export const events: Action = async (terminal, { json = false, user, limit = 100 }) => {
  const { names, rows } = await withDatabase(terminal, async (database) => {
    const found = await eventTable(database)
    if (found === undefined) {
      throw new CommandError('there is no audit trail: the table auth_event does not exist, because AUDIT is off')
    }
    return { names: found.names, rows: await database.run<AuthEvent>(selectEvents(found, user, limit)) }
  })
  output(terminal, json, rows, () => rows.length === 0 ? 'no events\n' : tableOf(names, rows))
}

/** Columns that have nothing in any row are left out. */
function tableOf (names: readonly string[], rows: readonly AuthEvent[]): string {
  const filled = names.filter((name) => rows.some((row) => row[name] !== null))
  return table(
    filled.map((name) => ({ heading: name.toUpperCase().replaceAll('_', ' ') })),
    rows.map((row) => filled.map((name) => cell(row[name])))
  )
}

function cell (value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (value instanceof Date) return timeOf(value.getTime())
  return typeof value === 'string' ? value : JSON.stringify(value)
}
