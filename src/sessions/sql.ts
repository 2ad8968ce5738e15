/**
 * Every statement of the store, for one table.
 *
 * `expire` is a TIMESTAMP without a zone and always UTC: only `timezone('utc', …)` is compared with it,
 * so that no `TimeZone` of a server, database or client matters. Time is the database's, never an
 * instance's: the store passes durations in milliseconds and gets back milliseconds since 1970.
 *
 * @module
 */
import { escapeIdentifier } from 'pg'

/** The present on the database's clock, in UTC, comparable with `expire`. */
const NOW = 'timezone(\'utc\', now())'
const NOW_MS = '(extract(epoch from now()) * 1000)::float8'
const EXPIRE_MS = '(extract(epoch from expire) * 1000)::float8'

/** `$n` milliseconds from now, but never past `$limit`, milliseconds since 1970 or null. */
const expiry = (duration: string, limit: string): string =>
  `LEAST(${NOW} + ${duration}::float8 * interval '1 millisecond', timezone('utc', to_timestamp(${limit}::float8 / 1000)))`

/** Milliseconds since 1970 at which the row says that the session was created, or null. */
const CREATED_MS = '(substring((sess -> \'createdAt\')::text FROM \'^-?\\d{1,15}$\')::float8)'

/** The statements whose first parameter is `sids` take every form of the id that is looked for, first the one that is written. */
export interface Statements {
  /** `(sids)` → `sid, sess, expire_ms, now_ms` of a live session. */
  get: string
  /** `(sid, sess, duration, limit)`: a session that was not loaded; replaces one of the same id. */
  put: string
  /** `(sid, sess, duration, lifetime)`: the same, with the time of its creation added to `sess`. → `created_ms`. */
  putStamped: string
  /** `(sids, duration, limit, sess)`: a loaded session that is still live. → `expire_ms`. */
  update: string
  /** `(sids, duration, limit)`: moves the expiry alone. → `expire_ms`. */
  touch: string
  /** `(sids, duration, lifetime)`: the same, where only the row knows when the session was created. → `expire_ms`. */
  touchBlindly: string
  /** `(sids)`. */
  destroy: string
  /** `(sids)` → `sid, sess, live` of what this statement, and no other, removed. */
  take: string
  all: string
  count: string
  clear: string
  /** `(lock key, batch)` → `elected, removed`. */
  prune: string
  /** → `read_only`; fails when the table is missing. */
  ping: string
}

/** @param table already quoted, with its schema if it has one. */
export function statements (table: string): Statements {
  const upsert = 'ON CONFLICT (sid) DO UPDATE SET sess = EXCLUDED.sess, expire = EXCLUDED.expire'
  // Requests side by side may find the row in its old form and one of them rewrite it: all forms are looked for.
  const move = (limit: string, sess = '') => `UPDATE ${table} SET ${sess} expire = ${expiry('$2', limit)},
      sid = CASE WHEN sid = ($1::varchar[])[1] OR (SELECT count(*) FROM ${table} WHERE sid = ANY($1::varchar[])) > 1 THEN sid ELSE ($1::varchar[])[1] END
      WHERE sid = ANY($1::varchar[]) AND expire > ${NOW} RETURNING ${EXPIRE_MS} AS expire_ms`
  return {
    get: `SELECT sid, sess::text AS sess, ${EXPIRE_MS} AS expire_ms, ${NOW_MS} AS now_ms
      FROM ${table} WHERE sid = ANY($1::varchar[]) AND expire > ${NOW}`,
    put: `INSERT INTO ${table} (sid, sess, expire) VALUES ($1, $2::json, ${expiry('$3', '$4')})
      ${upsert} RETURNING ${EXPIRE_MS} AS expire_ms`,
    putStamped: `INSERT INTO ${table} (sid, sess, expire)
      VALUES ($1, (left($2, -1) || ',"createdAt":' || floor(${NOW_MS})::bigint || '}')::json, ${expiry('LEAST($3::float8, $4::float8)', 'NULL')})
      ${upsert} RETURNING ${EXPIRE_MS} AS expire_ms, floor(${NOW_MS}) AS created_ms`,
    update: move('$3', 'sess = $4::json,'),
    touch: move('$3'),
    touchBlindly: move(`(${CREATED_MS} + $3::float8)`),
    destroy: `DELETE FROM ${table} WHERE sid = ANY($1::varchar[])`,
    take: `DELETE FROM ${table} WHERE sid = ANY($1::varchar[]) RETURNING sid, sess::text AS sess, expire > ${NOW} AS live`,
    all: `SELECT sid, sess::text AS sess, ${EXPIRE_MS} AS expire_ms, ${NOW_MS} AS now_ms FROM ${table} WHERE expire > ${NOW}`,
    count: `SELECT count(*)::int AS count FROM ${table} WHERE expire > ${NOW}`,
    clear: `DELETE FROM ${table}`,
    prune: `WITH election AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1::bigint) AS elected),
      removed AS (
        DELETE FROM ${table} WHERE expire <= ${NOW} AND ctid = ANY(ARRAY(
          SELECT ctid FROM ${table} WHERE expire <= ${NOW} AND (SELECT elected FROM election)
          ORDER BY expire LIMIT $2 FOR UPDATE SKIP LOCKED))
        RETURNING 1)
      SELECT elected, (SELECT count(*) FROM removed)::int AS removed FROM election`,
    ping: `SELECT current_setting('transaction_read_only') = 'on' AS read_only FROM (SELECT 1) AS one LEFT JOIN (SELECT 1 FROM ${table} LIMIT 0) AS t ON true`
  }
}

/** The quoted name of the table, for a statement. */
export const qualified = (tableName: string, schemaName?: string): string =>
  (schemaName === undefined ? '' : `${escapeIdentifier(schemaName)}.`) + escapeIdentifier(tableName)

/**
 * Creates the table and its index unless they are there: the layout of connect-pg-simple's `table.sql`.
 *
 * One simple-protocol query, so one implicit transaction, also through a transaction-mode pooler; the
 * advisory lock of that transaction lets instances that start together create it once.
 *
 * @param lockKey a bigint as text: the same in every instance, another for every table.
 */
export function createTable (tableName: string, lockKey: string, schemaName?: string): string {
  const table = qualified(tableName, schemaName)
  return `SELECT pg_advisory_xact_lock(${lockKey});
    CREATE TABLE IF NOT EXISTS ${table} (
      "sid" VARCHAR NOT NULL PRIMARY KEY,
      "sess" JSON NOT NULL,
      "expire" TIMESTAMP(6) NOT NULL
    );
    CREATE INDEX IF NOT EXISTS ${escapeIdentifier(`IDX_${tableName}_expire`)} ON ${table} ("expire")`
}
