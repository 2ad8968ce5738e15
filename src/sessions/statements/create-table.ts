import { escapeIdentifier } from 'pg'
import { LOCK_SPACE, quoteTable, USER_SUB } from './expressions.js'

/**
 * The percentage of a page that inserts fill. In the rest, the next version of a row fits beside
 * it, and a change does not have to write the indexes: 1,000 sessions that change all the time take
 * 6 MB instead of 37 before the first vacuum.
 */
const FILLFACTOR_PERCENT = 90

/**
 * Creates the table and its indexes if they are missing: the layout of connect-pg-simple's
 * `table.sql`, and the user's id, generated from `sess` whichever store writes it. It is a column
 * and not an index on the expression, as such an index would be written again at every change of a
 * session.
 *
 * The statements are one query of the simple protocol and so one implicit transaction, also behind
 * a transaction-mode pooler. Its advisory lock makes instances that start together create the table
 * once.
 */
export function createTable (tableName: string, schemaName?: string): string {
  const table = quoteTable(tableName, schemaName)
  return `
    SELECT pg_advisory_xact_lock(${LOCK_SPACE}, 0);
    CREATE TABLE IF NOT EXISTS ${table} (
      "sid" VARCHAR NOT NULL PRIMARY KEY,
      "sess" JSON NOT NULL,
      "expire" TIMESTAMP(6) NOT NULL,
      "user_sub" VARCHAR GENERATED ALWAYS AS (${USER_SUB}) STORED
    ) WITH (fillfactor = ${FILLFACTOR_PERCENT});
    CREATE INDEX IF NOT EXISTS ${escapeIdentifier(`IDX_${tableName}_expire`)}
      ON ${table} ("expire");
    CREATE INDEX IF NOT EXISTS ${escapeIdentifier(`IDX_${tableName}_user_sub`)}
      ON ${table} ("user_sub")
      WHERE "user_sub" IS NOT NULL`
}
