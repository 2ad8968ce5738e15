/**
 * SQL expressions that several statements share.
 *
 * `expire` is a TIMESTAMP without a zone and always in UTC. It is only compared with
 * `timezone('utc', …)`, so that the `TimeZone` of a server, database or client does not matter. The
 * database's clock is the only one that counts.
 *
 * @module
 */
import { escapeIdentifier } from 'pg'

/** The quoted name of the table. */
export const quoteTable = (tableName: string, schemaName?: string): string =>
  (schemaName === undefined ? '' : `${escapeIdentifier(schemaName)}.`) + escapeIdentifier(tableName)

/** The current time in UTC, comparable with `expire`. */
export const NOW = 'timezone(\'utc\', now())'

/** The current time in milliseconds since 1970. */
export const NOW_MS = '(date_part(\'epoch\', now()) * 1000)'

/**
 * The time at which the row is read, from a volatile function. pgpool-II balances statements that
 * only read, and a standby may be behind: a session that has ended would be live there. It sends a
 * statement with a volatile function to the primary. A comment for that can be switched off, and
 * `now()` is not volatile.
 *
 * @see {@link https://www.pgpool.net/docs/43/en/html/runtime-config-load-balancing.html}
 */
export const READ_AT_PRIMARY = 'clock_timestamp()'

/** The expiry of the row `t` in milliseconds since 1970. */
export const EXPIRE_MS = '(date_part(\'epoch\', t.expire) * 1000)'

/** The version of the row `t`, which changes with every write. */
export const VERSION = 't.xmin::text AS version'

/**
 * The version of the rows that the statement writes. `RETURNING xmin` fails on a partitioned table
 * (SQLSTATE 0A000).
 */
export const NEW_VERSION = 'pg_current_xact_id()::xid::text AS version'

/** `duration` milliseconds from now. */
export const fromNow = (duration: string): string =>
  `${NOW} + ${duration}::float8 * interval '1 millisecond'`

/** `duration` milliseconds from now, but not after `limit`: milliseconds since 1970, or null. */
export const expiry = (duration: string, limit: string): string =>
  `LEAST(${fromNow(duration)}, timezone('utc', to_timestamp(${limit}::float8 / 1000)))`

/** As `expiry`; a null `duration` keeps the expiry of the row `t`. */
export const newExpiry = (duration: string, limit: string): string =>
  `CASE WHEN ${duration}::float8 IS NULL THEN t.expire ELSE ${expiry(duration, limit)} END`

/** The stored id that the row `t` gets: the current one, unless another row has it. */
export const newSid = (table: string, currentId: string): string =>
  `CASE WHEN t.sid = ${currentId} OR EXISTS (SELECT FROM ${table} AS o WHERE o.sid = ${currentId})
    THEN t.sid
    ELSE ${currentId}
  END`

/**
 * `sess` with its members readable. PostgreSQL stores the escapes \u0000 and \ud800 to \udfff as
 * JSON, but cannot read members of a value that holds them (SQLSTATE 22P05). The number of
 * backslashes before an escape is kept.
 *
 * @see {@link https://www.postgresql.org/docs/current/datatype-json.html}
 */
const READABLE_SESS = `CASE WHEN strpos(sess::text, '\\u') = 0
    THEN sess
    ELSE regexp_replace(sess::text, '\\\\u(0000|[dD][89a-fA-F]..)', '\\u0020', 'g')::json
  END`

/** `user.sub` of the session, or null. */
export const USER_SUB = `(${READABLE_SESS}) -> 'user' ->> 'sub'`

/** `createdAt` of the session in milliseconds since 1970, or null. */
export const CREATED_MS =
  `(substring(((${READABLE_SESS}) -> 'createdAt')::text FROM '^-?\\d{1,15}$')::float8)`

/**
 * The first key of the store's advisory locks. The second is the table's oid while it is pruned,
 * and 0 while a table is created. Names do not identify a table: it can be written with or without
 * its schema.
 */
export const LOCK_SPACE = 0x7365_7373
