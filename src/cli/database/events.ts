/**
 * The audit trail: the table `auth_event`. Its columns are read from the catalogue, and printed by their own names.
 *
 * @module
 */
import { escapeIdentifier } from 'pg'
import { isMentioned, type Mentions } from '../person.js'
import type { CommandDatabase, Run } from './database.js'

export const EVENT_TABLE = 'auth_event'

/** An event, by the names of the columns. */
export type AuthEvent = Record<string, unknown>

export interface EventTable {
  /** All columns, in their order. */
  names: readonly string[]
  /** SQL for each of them. */
  columns: readonly string[]
  /** The column of the time, of the user and of the public session id, quoted; undefined: there is none. */
  time: string | undefined
  user: string | undefined
  session: string | undefined
}

interface ColumnRow { name: string, type: string }

/** The table; undefined where there is none, because AUDIT has been off. */
export async function eventTable (database: CommandDatabase): Promise<EventTable | undefined> {
  const columns = await database.run<ColumnRow>({
    text: `
      SELECT attname::text AS name, format_type(atttypid, NULL) AS type
      FROM pg_attribute
      WHERE attrelid = to_regclass($1)
        AND attnum > 0
        AND NOT attisdropped
      ORDER BY attnum`,
    values: [EVENT_TABLE]
  })
  if (columns.length === 0) return undefined
  const first = (test: (column: ColumnRow) => boolean): string | undefined => {
    const found = columns.find(test)
    return found === undefined ? undefined : escapeIdentifier(found.name)
  }
  return {
    names: columns.map(({ name }) => name),
    columns: columns.map(selected),
    time: first(({ name }) => name === 'at') ?? first(({ type }) => type.startsWith('timestamp')),
    user: first(({ name }) => name === 'sub' || name === 'user_sub'),
    session: first(({ name }) => name === 'session' || name === 'session_id')
  }
}

/** A time without a zone is in UTC, as `expire` is. */
function selected ({ name, type }: ColumnRow): string {
  const column = escapeIdentifier(name)
  return type === 'timestamp without time zone' ? `${column} AT TIME ZONE 'UTC' AS ${column}` : column
}

/** Events, the latest first. */
export function selectEvents ({ columns, time, user }: EventTable, sub: string | undefined, limit: number): Run {
  return {
    text: `
      SELECT ${columns.join(', ')}
      FROM ${EVENT_TABLE}
      ${sub === undefined ? '' : `WHERE ${user ?? 'NULL'} = $2`}
      ${time === undefined ? '' : `ORDER BY ${time} DESC`}
      LIMIT $1`,
    values: sub === undefined ? [limit] : [limit, sub]
  }
}

/** The public ids of a user's sessions, as the events name them. */
export function selectSessions ({ session, user }: EventTable, sub: string): Run | undefined {
  if (session === undefined || user === undefined) return undefined
  return { text: `SELECT DISTINCT ${session} AS id FROM ${EVENT_TABLE} WHERE ${user} = $1`, values: [sub] }
}

/** Removes at most `maxRows` events of a user. */
export function deleteEvents ({ user }: EventTable, sub: string, maxRows: number): Run | undefined {
  if (user === undefined) return undefined
  return {
    text: `
      WITH gone AS (
        DELETE FROM ${EVENT_TABLE}
        WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${EVENT_TABLE} WHERE ${user} = $1 LIMIT $2))
          AND ${user} = $1
        RETURNING 1
      )
      SELECT count(*)::int AS count FROM gone`,
    values: [sub, maxRows]
  }
}

/** Removes the events that mention a person in any column. */
export const deleteMentions = (mentions: Mentions): Run => ({
  text: `
    WITH gone AS (
      DELETE FROM ${EVENT_TABLE} AS e
      WHERE ${isMentioned('e::text', '$1', '$2')}
      RETURNING 1
    )
    SELECT count(*)::int AS count FROM gone`,
  values: mentions
})
