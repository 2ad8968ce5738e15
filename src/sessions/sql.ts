/**
 * Every statement of the store, for one table.
 *
 * `expire` is a TIMESTAMP without a zone and always UTC: only `timezone('utc', …)` is compared with it,
 * so that no `TimeZone` of a server, database or client matters. Time is the database's, never an
 * instance's: the store passes durations in milliseconds and gets back milliseconds since 1970.
 *
 * @module
 */
import { escapeIdentifier, escapeLiteral } from 'pg'

/** The present on the database's clock, in UTC, comparable with `expire`. */
const NOW = 'timezone(\'utc\', now())'
const NOW_MS = '(date_part(\'epoch\', now()) * 1000)'
const EXPIRE_MS = '(date_part(\'epoch\', t.expire) * 1000)'

/** A row's version: another after every write. */
const VERSION = 't.xmin::text AS version'

/** The version of the rows that the statement itself writes: `RETURNING xmin` fails on a partitioned table (SQLSTATE 0A000). */
const NEW_VERSION = 'pg_current_xact_id()::xid::text AS version'

/** `$n` milliseconds from now, but never past `$limit`, milliseconds since 1970 or null. */
const expiry = (duration: string, limit: string): string =>
  `LEAST(${NOW} + ${duration}::float8 * interval '1 millisecond', timezone('utc', to_timestamp(${limit}::float8 / 1000)))`

/**
 * `sess`, so that its members can be read: PostgreSQL stores the escapes \u0000 and \ud800 to \udfff as JSON, but refuses
 * to look into a value that has them (SQLSTATE 22P05). Backslashes before an escape stay as many as they were.
 *
 * @see {@link https://www.postgresql.org/docs/current/datatype-json.html}
 */
const READABLE = `CASE WHEN strpos(sess::text, '\\u') = 0 THEN sess ELSE regexp_replace(sess::text, '\\\\u(0000|[dD][89a-fA-F]..)', '\\u0020', 'g')::json END`

/** Whose session it is: `user.sub`, or null. */
const USER_SUB = `(${READABLE}) -> 'user' ->> 'sub'`

/** Milliseconds since 1970 at which the row says that the session was created, or null. */
const CREATED_MS = `(substring(((${READABLE}) -> 'createdAt')::text FROM '^-?\\d{1,15}$')::float8)`

/**
 * The first key of the store's advisory locks. The second is the number of the table that is pruned, or 0 for whoever creates
 * one: never a name, as one table has several (with its schema or by the search path), and several tables have the same.
 */
const LOCKS = 0x7365_7373

/** The lines of `$n`: texts that hold no line break travel cheaper so than as an array, whose quoting doubles JSON's. */
const lines = (parameter: string) => `string_to_array(${parameter}::text, E'\\n')`

/** What a statement for many calls is told of each: as arrays, or as lines of one text, in the order of the calls. */
export interface Statements {
  /** `(sids)` → `sid, version, sess, expire_ms, now_ms` of the live sessions among them. */
  get: string
  /** `(sid)` → the same. */
  getOne: string
  /** `(sid[], sess lines, duration[], limit[], lifetime[])` → `sid, version, expire_ms, created_ms`. New sessions; each replaces one of the same id. */
  put: string
  /** `(sid[], version[], sess lines, duration[]: null leaves the expiry, limit[])` → `n, version, expire_ms` of those that were free and still had that version. */
  write: string
  /** `(forms of the id, form that is written, duration or null, limit, base, sess)` → `version, expire_ms, current`: waits for who has it locked. */
  update: string
  /** `(n[], sid[]: all forms of the id of call n)`, then `(written sid[], duration[], limit[], lifetime[])` → `n, version, expire_ms`. */
  touch: string
  /** `(sids)`. Waits for who has one locked. */
  destroy: string
  /** `(sids)` → `sid` of those that are left: somebody else has them locked, or gave them another form at this moment. */
  destroyUnlocked: string
  /** `(sids)` → `sid, sess, live` of what this statement, and no other, removed. */
  consume: string
  /** `put` for one new session, and `(former sids)` → `sid, sess, live` of the former rows, which are removed, and `version, expire_ms, created_ms` of the new one. */
  replace: string
  /** `(sub)` → as `get`, the newest expiry first; the second for a table without the column `user_sub`. */
  listByUser: readonly [string, string]
  /** `(sub, forms of the id that stays)` → `live` of each row that is removed; the second for a table without the column. */
  destroyByUser: readonly [string, string]
  all: string
  count: string
  clear: string
  /** `(batch)` → `elected, removed`. */
  prune: string
  /** → `read_only`; fails when the table is missing. */
  ping: string
}

/** @param table already quoted, with its schema if it has one. */
export function statements (table: string): Statements {
  const row = `t.sid, ${VERSION}, t.sess::text AS sess, ${EXPIRE_MS} AS expire_ms, ${NOW_MS} AS now_ms`
  /** A row found in an older form takes the written one, unless that is taken. */
  const form = (written: string) =>
    `sid = CASE WHEN t.sid = ${written} OR EXISTS (SELECT FROM ${table} AS o WHERE o.sid = ${written}) THEN t.sid ELSE ${written} END`
  const byUser = (sub: string) => ({
    list: `SELECT ${row} FROM ${table} AS t WHERE ${sub} = $1 AND expire > ${NOW} ORDER BY expire DESC`,
    destroy: `DELETE FROM ${table} WHERE ${sub} = $1 AND sid <> ALL($2::varchar[]) RETURNING expire > ${NOW} AS live`
  })
  const [column, expression] = [byUser('user_sub'), byUser(USER_SUB)]

  const put = `INSERT INTO ${table} AS t (sid, sess, expire)
      SELECT sid, CASE WHEN lifetime IS NULL THEN sess ELSE left(sess, -1) || ',"createdAt":' || floor(${NOW_MS})::bigint || '}' END::json,
        ${expiry('LEAST(duration, lifetime)', 'lim')}
      FROM unnest($1::varchar[], ${lines('$2')}, $3::float8[], $4::float8[], $5::float8[]) AS c (sid, sess, duration, lim, lifetime) ORDER BY sid
      ON CONFLICT (sid) DO UPDATE SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
      RETURNING t.sid, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms, floor(${NOW_MS}) AS created_ms`

  return {
    get: `SELECT ${row} FROM ${table} AS t WHERE sid = ANY($1::varchar[]) AND expire > ${NOW}`,
    getOne: `SELECT ${row} FROM ${table} AS t WHERE sid = $1 AND expire > ${NOW}`,
    put,
    replace: `WITH former AS (DELETE FROM ${table} WHERE sid = ANY($6::varchar[]) RETURNING sid, sess::text AS sess, expire > ${NOW} AS live),
      new AS (${put})
      SELECT new.version, new.expire_ms, new.created_ms, former.sid, former.sess, former.live FROM new LEFT JOIN former ON true`,
    // It waits for no lock, so no two instances can wait for each other. `ctid` is unique within one partition only: `tableoid`
    // names the partition, and `sid` lets the executor skip the others.
    write: `WITH c AS (
        SELECT c.n, t.sid, c.sess, c.duration, c.lim, t.tableoid AS part, t.ctid AS place
        FROM unnest($1::varchar[], $2::text[], ${lines('$3')}, $4::float8[], $5::float8[]) WITH ORDINALITY AS c (sid, version, sess, duration, lim, n)
        JOIN ${table} AS t USING (sid)
        WHERE t.xmin = c.version::xid AND t.expire > ${NOW} FOR UPDATE OF t SKIP LOCKED)
      UPDATE ${table} AS t SET sess = c.sess::json, expire = CASE WHEN c.duration IS NULL THEN t.expire ELSE ${expiry('c.duration', 'c.lim')} END
      FROM c WHERE t.sid = c.sid AND t.tableoid = c.part AND t.ctid = c.place RETURNING c.n, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms`,
    update: `WITH found AS MATERIALIZED (
        SELECT t.sid, t.sess::text AS current FROM unnest($1::varchar[]) WITH ORDINALITY AS f (sid, rank) JOIN ${table} AS t USING (sid)
        WHERE expire > ${NOW} ORDER BY rank LIMIT 1 FOR UPDATE OF t),
      written AS (
        UPDATE ${table} AS t SET sess = $6::text::json, expire = CASE WHEN $3::float8 IS NULL THEN t.expire ELSE ${expiry('$3', '$4')} END, ${form('$2::varchar')}
        FROM found WHERE t.sid = found.sid AND found.current = $5::text
        RETURNING ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms)
      SELECT version, expire_ms, CASE WHEN expire_ms IS NULL THEN current END AS current FROM found LEFT JOIN written ON true`,
    // A row that somebody else has locked is being written, and its expiry with it. An id may have rows in several forms: the written one comes first.
    touch: `WITH forms AS (SELECT n, sid, rank FROM unnest($1::int[], $2::varchar[]) WITH ORDINALITY AS f (n, sid, rank)),
      locked AS MATERIALIZED (
        SELECT n, rank, t.sid, CASE WHEN c.lifetime IS NOT NULL THEN ${CREATED_MS} END AS created_ms, c.*
        FROM forms JOIN ${table} AS t USING (sid)
        JOIN unnest($3::varchar[], $4::float8[], $5::float8[], $6::float8[]) WITH ORDINALITY AS c (written, duration, lim, lifetime, call) ON c.call = forms.n
        WHERE expire > ${NOW} FOR UPDATE OF t SKIP LOCKED),
      c AS (SELECT DISTINCT ON (n) * FROM locked ORDER BY n, rank)
      UPDATE ${table} AS t SET expire = ${expiry('c.duration', 'COALESCE(c.lim, c.created_ms + c.lifetime)')}, ${form('c.written')}
      FROM c WHERE t.sid = c.sid
      RETURNING c.n, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms`,
    destroy: `DELETE FROM ${table} WHERE sid = ANY($1::varchar[])`,
    // The table is the one that the statement began with, so every row is either gone or left.
    destroyUnlocked: `WITH free AS MATERIALIZED (SELECT sid FROM ${table} WHERE sid = ANY($1::varchar[]) FOR UPDATE SKIP LOCKED),
      gone AS (DELETE FROM ${table} AS t USING free WHERE t.sid = free.sid RETURNING t.sid)
      SELECT sid FROM ${table} WHERE sid = ANY($1::varchar[]) AND sid NOT IN (SELECT sid FROM gone)`,
    consume: `DELETE FROM ${table} WHERE sid = ANY($1::varchar[]) RETURNING sid, sess::text AS sess, expire > ${NOW} AS live`,
    listByUser: [column.list, expression.list],
    destroyByUser: [column.destroy, expression.destroy],
    all: `SELECT ${row} FROM ${table} AS t WHERE expire > ${NOW}`,
    count: `SELECT count(*)::int AS count FROM ${table} WHERE expire > ${NOW}`,
    clear: `DELETE FROM ${table}`,
    prune: `WITH election AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(${LOCKS}, ${escapeLiteral(table)}::regclass::oid::int) AS elected),
      removed AS (
        DELETE FROM ${table} WHERE expire <= ${NOW} AND sid = ANY(ARRAY(
          SELECT sid FROM ${table} WHERE expire <= ${NOW} AND (SELECT elected FROM election)
          ORDER BY expire LIMIT $1 FOR UPDATE SKIP LOCKED))
        RETURNING 1)
      SELECT elected, (SELECT count(*) FROM removed)::int AS removed FROM election`,
    ping: `SELECT current_setting('transaction_read_only') = 'on' AS read_only FROM (SELECT 1) AS one LEFT JOIN (SELECT 1 FROM ${table} LIMIT 0) AS t ON true`
  }
}

/** The quoted name of the table, for a statement. */
export const qualified = (tableName: string, schemaName?: string): string =>
  (schemaName === undefined ? '' : `${escapeIdentifier(schemaName)}.`) + escapeIdentifier(tableName)

/**
 * Creates the table and its indexes unless they are there: the layout of connect-pg-simple's `table.sql`, and a column that
 * PostgreSQL itself fills from `sess`, whoever writes it, so that a user's sessions are found. A column and not an index on
 * the expression: the latter would have every change of a session write every index anew.
 *
 * One simple-protocol query, so one implicit transaction, also through a transaction-mode pooler; the
 * advisory lock of that transaction lets instances that start together create it once.
 */
export function createTable (tableName: string, schemaName?: string): string {
  const table = qualified(tableName, schemaName)
  return `SELECT pg_advisory_xact_lock(${LOCKS}, 0);
    CREATE TABLE IF NOT EXISTS ${table} (
      "sid" VARCHAR NOT NULL PRIMARY KEY,
      "sess" JSON NOT NULL,
      "expire" TIMESTAMP(6) NOT NULL,
      ${userColumn}
    ) WITH (fillfactor = ${FILLFACTOR});
    CREATE INDEX IF NOT EXISTS ${escapeIdentifier(`IDX_${tableName}_expire`)} ON ${table} ("expire");
    CREATE INDEX IF NOT EXISTS ${escapeIdentifier(`IDX_${tableName}_user_sub`)} ON ${table} ("user_sub") WHERE "user_sub" IS NOT NULL`
}

/**
 * Percent of a page that new rows fill. In the rest, one row's next version has room beside it: then a change need not write the
 * indexes, and the table of 1,000 sessions that change all the time grows to 6 MB instead of 37 before the first vacuum.
 */
const FILLFACTOR = 90

const userColumn = `"user_sub" VARCHAR GENERATED ALWAYS AS (${USER_SUB}) STORED`
