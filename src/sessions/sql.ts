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

/** What a statement for many calls is told of each: as arrays, one for each field, in the order of the calls. */
export interface Statements {
  /** `(sids)` → `sid, sess, expire_ms, now_ms` of the live sessions among them. */
  get: string
  /** `(sid[], sess[], duration[], limit[], lifetime[])` → `sid, expire_ms, created_ms`. New sessions; each replaces one of the same id. */
  put: string
  /** `(n[], sid[]: all forms of the id of call n)`, then `(written sid[], duration[], limit[], base[], sess[])` → `n, expire_ms, current`. */
  update: string
  /** The same, without those that somebody else has locked. */
  updateUnlocked: string
  /** `(n[], sid[])` as above, then `(written sid[], duration[], limit[], lifetime[])` → `n, expire_ms`. */
  touch: string
  /** `(sids)` → `sid`. */
  destroy: string
  /** The same, without those that somebody else has locked. */
  destroyUnlocked: string
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
  /**
   * The live row of each call, locked in the order of `sid`, so that no two instances wait for each other.
   * An id may have rows in several forms: the form that is written first comes first.
   */
  const found = (columns: string, wait: string) => `
      WITH forms AS (SELECT n, sid, rank FROM unnest($1::int[], $2::varchar[]) WITH ORDINALITY AS f (n, sid, rank)),
      locked AS MATERIALIZED (
        SELECT n, rank, t.sid${columns} FROM forms JOIN ${table} AS t USING (sid)
        WHERE expire > ${NOW} ORDER BY t.sid FOR UPDATE OF t ${wait}),
      chosen AS (SELECT DISTINCT ON (n) * FROM locked ORDER BY n, rank)`
  /** A row found in an older form takes the written one, unless that is taken. */
  const sid = `sid = CASE WHEN t.sid = c.written OR EXISTS (SELECT FROM ${table} AS o WHERE o.sid = c.written) THEN t.sid ELSE c.written END`
  const update = (wait: string) => `${found(', sess::text AS current', wait)},
      written AS (
        UPDATE ${table} AS t SET sess = c.sess::json, expire = ${expiry('c.duration', 'c.lim')}, ${sid}
        FROM chosen JOIN unnest($3::varchar[], $4::float8[], $5::float8[], $6::text[], $7::text[]) WITH ORDINALITY AS c (written, duration, lim, base, sess, n) USING (n)
        WHERE t.sid = chosen.sid AND chosen.current = c.base
        RETURNING chosen.n, ${EXPIRE_MS} AS expire_ms)
      SELECT chosen.n, expire_ms, CASE WHEN expire_ms IS NULL THEN current END AS current FROM chosen LEFT JOIN written ON written.n = chosen.n`

  return {
    get: `SELECT sid, sess::text AS sess, ${EXPIRE_MS} AS expire_ms, ${NOW_MS} AS now_ms
      FROM ${table} WHERE sid = ANY($1::varchar[]) AND expire > ${NOW}`,
    put: `INSERT INTO ${table} (sid, sess, expire)
      SELECT sid, CASE WHEN lifetime IS NULL THEN sess ELSE left(sess, -1) || ',"createdAt":' || floor(${NOW_MS})::bigint || '}' END::json,
        ${expiry('LEAST(duration, lifetime)', 'lim')}
      FROM unnest($1::varchar[], $2::text[], $3::float8[], $4::float8[], $5::float8[]) AS c (sid, sess, duration, lim, lifetime) ORDER BY sid
      ON CONFLICT (sid) DO UPDATE SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
      RETURNING sid, ${EXPIRE_MS} AS expire_ms, floor(${NOW_MS}) AS created_ms`,
    update: update(''),
    updateUnlocked: update('SKIP LOCKED'),

    // A row that somebody else has locked is being written, and its expiry with it.
    touch: `${found(`, ${CREATED_MS} AS created_ms`, 'SKIP LOCKED')}
      UPDATE ${table} AS t SET expire = ${expiry('c.duration', 'COALESCE(c.lim, chosen.created_ms + c.lifetime)')}, ${sid}
      FROM chosen JOIN unnest($3::varchar[], $4::float8[], $5::float8[], $6::float8[]) WITH ORDINALITY AS c (written, duration, lim, lifetime, n) USING (n)
      WHERE t.sid = chosen.sid
      RETURNING chosen.n, ${EXPIRE_MS} AS expire_ms`,
    destroy: `DELETE FROM ${table} WHERE sid = ANY($1::varchar[]) RETURNING sid`,
    destroyUnlocked: `DELETE FROM ${table} WHERE sid IN (SELECT sid FROM ${table} WHERE sid = ANY($1::varchar[]) FOR UPDATE SKIP LOCKED) RETURNING sid`,
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
