/**
 * SQL expressions that several statements share.
 *
 * A TIMESTAMP without a zone is always in UTC, and only compared with `timezone('utc', …)`, so that
 * the `TimeZone` of a server, database or client does not matter. The database's clock is the only
 * one that counts.
 *
 * @module
 */
import { OWN_KEY } from './own-data.js'
import { member, type Layout } from './layout.js'

/** A TIMESTAMPTZ as the type of `expire`. */
const instant = ({ expire }: Layout, timestamptz: string): string =>
  expire === 'timestamptz' ? timestamptz : `timezone('utc', ${timestamptz})`

/** The current time, comparable with `expire`. */
export const now = (layout: Layout): string => instant(layout, 'now()')

/**
 * A condition that holds and is planned away. If the table has been altered and `expire` has the
 * other type, PostgreSQL refuses it (SQLSTATE 42883). Otherwise it would convert between the two by
 * the connection's `TimeZone`.
 */
export const hasExpireType = ({ expire }: Layout, column: string): string => expire === 'timestamptz'
  ? `(true OR ${column} <@ tstzrange(NULL, NULL))`
  : `(true OR timestamp_eq(${column}, ${column}))`

/** Whether a row is live. */
export const isLive = (layout: Layout, column = 'expire'): string =>
  `${column} > ${now(layout)} AND ${hasExpireType(layout, column)}`

/**
 * The same for rows that are found by `sid`. PostgreSQL takes less time to plan it, and cannot use the index of
 * `expire` for it. The function refuses the other type by itself (SQLSTATE 42883).
 */
export const isLiveBySid = (layout: Layout, column = 'expire'): string => layout.expire === 'timestamp'
  ? `timestamp_gt(${column}, ${now(layout)})`
  : isLive(layout, column)

/** Whether a row has expired. */
export const hasExpired = (layout: Layout, column = 'expire'): string =>
  `${column} <= ${now(layout)} AND ${hasExpireType(layout, column)}`

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
export const fromNow = (layout: Layout, duration: string): string => instant(layout, sinceNow(duration))

const sinceNow = (duration: string): string => `now() + ${duration}::float8 * interval '1 millisecond'`

/** `duration` milliseconds from now, but not after `limit`: milliseconds since 1970, or null. */
export const expiry = (layout: Layout, duration: string, limit: string): string =>
  instant(layout, `LEAST(${sinceNow(duration)}, to_timestamp(${limit}::float8 / 1000))`)

/** As `expiry`; a null `duration` keeps the expiry of the row `t`. */
export const newExpiry = (layout: Layout, duration: string, limit: string): string =>
  `CASE WHEN ${duration}::float8 IS NULL THEN t.expire ELSE ${expiry(layout, duration, limit)} END`

/** The stored id that the row `t` gets: the current one, unless another row has it. */
export const newSid = ({ table }: Layout, currentId: string): string =>
  `CASE WHEN t.sid = ${currentId} OR EXISTS (SELECT FROM ${table} AS o WHERE o.sid = ${currentId})
    THEN t.sid
    ELSE ${currentId}
  END`

/** When the session was created, in milliseconds since 1970, or null. */
export const createdMs = (layout: Layout): string =>
  `(substring(${member(layout, [OWN_KEY, 'created'])} FROM '^\\d{1,15}$')::float8)`

/**
 * The first key of the store's advisory locks. The second is the table's oid while it is pruned,
 * and 0 while a table is created. Names do not identify a table: it can be written with or without
 * its schema.
 */
export const LOCK_SPACE = 0x7365_7373

/** The first key of the locks of users. The second is a hash of the user. */
export const USER_LOCK_SPACE = 0x7573_6572

/**
 * A condition that always holds, for what deletes sessions: the transaction then waits for the synchronous
 * standby, if the store is told to. The setting ends with the transaction. Nothing is waited for if no row
 * is deleted.
 *
 * @see {@link https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT}
 */
export const endsDurably = ({ waitsForStandby = false }: Pick<Layout, 'waitsForStandby'>): string =>
  waitsForStandby ? 'set_config(\'synchronous_commit\', \'remote_apply\', true) IS NOT NULL' : 'true'
