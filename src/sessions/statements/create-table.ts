import { escapeIdentifier, escapeLiteral } from 'pg'
import { LOCK_SPACE } from './expressions.js'
import { member, quoteTable } from './layout.js'

/**
 * The percentage of a page that inserts fill. In the rest, the next version of a row fits beside
 * it, and a change does not have to write the indexes: 1,000 sessions that change all the time take
 * 6 MB instead of 37 before the first vacuum.
 */
const FILLFACTOR_PERCENT = 90

/** The longest name of a relation, in bytes. */
const MAX_NAME_BYTES = 63

export interface NewTable {
  tableName: string
  schemaName: string | undefined
  /** The name of the column of the user, and where `sess` holds the user. */
  userColumn: string
  userPath: readonly string[]
}

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
export function createTable ({ tableName, schemaName, userColumn, userPath }: NewTable): string {
  const table = quoteTable(tableName, schemaName)
  const user = escapeIdentifier(userColumn)
  return `
    SELECT pg_advisory_xact_lock(${LOCK_SPACE}, 0);
    CREATE TABLE IF NOT EXISTS ${table} (
      "sid" VARCHAR NOT NULL PRIMARY KEY,
      "sess" JSON NOT NULL,
      "expire" TIMESTAMP(6) NOT NULL,
      ${user} VARCHAR GENERATED ALWAYS AS (${member({ sess: 'json' }, userPath)}) STORED
    ) WITH (fillfactor = ${FILLFACTOR_PERCENT});
    ${createIndex(table, 'expire', `IDX_${tableName}_expire`)};
    ${createIndex(table, userColumn, `IDX_${tableName}_${userColumn}`)}`
}

/**
 * Creates an index on the column unless the table has one.
 *
 * `CREATE INDEX IF NOT EXISTS` would look at the name alone, which another table's index may have,
 * and which is cut to 63 bytes. In these cases PostgreSQL chooses another name.
 */
function createIndex (table: string, column: string, name: string): string {
  const literal = escapeLiteral(table)
  const isNamed = Buffer.byteLength(name) <= MAX_NAME_BYTES
  const body = `
    DECLARE
      session_table regclass := ${literal};
      index_name text := CASE WHEN ${isNamed}
        AND NOT EXISTS (
          SELECT FROM pg_class AS c, pg_class AS t
          WHERE t.oid = session_table
            AND c.relnamespace = t.relnamespace
            AND c.relname = ${escapeLiteral(name)}
        ) THEN quote_ident(${escapeLiteral(name)}) ELSE '' END;
    BEGIN
      IF NOT EXISTS (
        SELECT FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = session_table
          AND a.attname = ${escapeLiteral(column)}
      ) THEN
        EXECUTE format('CREATE INDEX %s ON %s (%I)${column === 'expire' ? '' : ' WHERE %3$I IS NOT NULL'}',
          index_name, session_table, ${escapeLiteral(column)});
      END IF;
    END`
  return `DO ${escapeLiteral(body)}`
}
