import { escapeIdentifier, escapeLiteral } from 'pg'
import { LOCK_SPACE } from './expressions.js'
import { quoteTable } from './layout.js'

export interface NewEventTable { tableName: string, schemaName: string | undefined }

/** The columns of the table of events. */
export const EVENT_COLUMNS = [
  'id', 'at', 'type', 'sub', 'role', 'session', 'ip', 'device', 'actor', 'reason', 'request_id', 'count'
] as const

/** The statements that create the table of events, one index for each user and one for the time. */
export function eventTableStatements ({ tableName, schemaName }: NewEventTable): string[] {
  const table = quoteTable(tableName, schemaName)
  return [
    `CREATE TABLE ${table} (
  "id" BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "type" VARCHAR NOT NULL,
  "sub" VARCHAR,
  "role" VARCHAR,
  "session" VARCHAR,
  "ip" VARCHAR,
  "device" VARCHAR,
  "actor" VARCHAR,
  "reason" VARCHAR,
  "request_id" VARCHAR,
  "count" INTEGER NOT NULL DEFAULT 1
)`,
    `CREATE INDEX ON ${table} ("at")`,
    `CREATE INDEX ON ${table} ("sub", "id") WHERE "sub" IS NOT NULL`
  ]
}

/** Creates the table of events and its indexes if they are missing, once for all instances that start together. */
export const createEventTable = (table: NewEventTable): string => `
    SELECT pg_advisory_xact_lock(${LOCK_SPACE}, 0);${ensureEventTable(table)}`

/** The same for one that creates it alone. */
export function ensureEventTable (table: NewEventTable): string {
  const [create = '', ...indexes] = eventTableStatements(table)
  const name = quoteTable(table.tableName, table.schemaName)
  return `
    ${create.replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS')};
    DO ${escapeLiteral(`
      BEGIN
        IF NOT EXISTS (
          SELECT
          FROM pg_index
          WHERE indrelid = ${escapeLiteral(name)}::regclass
            AND NOT indisprimary
        ) THEN
          ${indexes.join(';\n          ')};
        END IF;
      END`)}`
}

/** The table of events, `$1`: its columns, and what the current role lacks. No row if there is no such table. */
export const EVENT_TABLE_GRANTS = `
  SELECT
    current_user::text AS role,
    ARRAY(
      SELECT attname::text
      FROM pg_attribute
      WHERE attrelid = c.oid
        AND attnum > 0
        AND NOT attisdropped
    ) AS columns,
    ARRAY(
      SELECT p
      FROM unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS p
      WHERE NOT has_table_privilege(c.oid, p)
    ) AS missing
  FROM pg_class AS c
  WHERE c.oid = to_regclass($1)`

/** The privileges that the server needs on the table of events. */
export const eventTableGrant = ({ tableName, schemaName }: NewEventTable, role: string): string =>
  `GRANT SELECT, INSERT, DELETE ON ${quoteTable(tableName, schemaName)} TO ${escapeIdentifier(role)}`
