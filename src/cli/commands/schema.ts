import { member } from '../../sessions/statements/layout.js'
import { RATE_TABLE_SQL } from '../../rate/table.js'
import { ensureEventTable } from '../../sessions/statements/create-event-table.js'
import { EVENT_TABLE } from '../database/events.js'
import { output } from '../output.js'
import type { Action } from '../program.js'

/** `schema` */
export const schema: Action = async (terminal, { json = false }) => {
  const sql = schemaSql()
  output(terminal, json, { sql }, () => sql)
}

/** The SQL of the tables, for psql or a migration. What exists is left as it is. */
function schemaSql (): string {
  const sub = member({ sess: 'json' }, ['user', 'sub']).replaceAll(/\s+/g, ' ')
  return `CREATE TABLE IF NOT EXISTS "session" (
  "sid" VARCHAR NOT NULL PRIMARY KEY,
  "sess" JSON NOT NULL,
  "expire" TIMESTAMP(6) NOT NULL,
  "user_sub" VARCHAR GENERATED ALWAYS AS (${sub}) STORED
) WITH (fillfactor = 90);
CREATE INDEX IF NOT EXISTS "IDX_session_expire" ON "session" ("expire");
CREATE INDEX IF NOT EXISTS "IDX_session_user_sub" ON "session" ("user_sub") WHERE "user_sub" IS NOT NULL;

-- For LOGIN_RATE_LIMIT.
${RATE_TABLE_SQL.trim().replaceAll(/^ {2}/gm, '')};

-- For AUDIT=true.
${ensureEventTable({ tableName: EVENT_TABLE, schemaName: undefined }).trim().replaceAll(/^ {4}/gm, '')};
`
}
