/**
 * The table in which instances count together, and its statements.
 *
 * UNLOGGED: a count that a crash of the database loses is no loss, and it costs no WAL.
 *
 * @module
 */

export const RATE_TABLE = 'auth_rate_limit'

/** The key of the advisory lock under which the table is created. */
const LOCK = 0x7261_7465

export const RATE_TABLE_SQL = `
  CREATE UNLOGGED TABLE IF NOT EXISTS "${RATE_TABLE}" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "count" INTEGER NOT NULL,
    "expire" TIMESTAMPTZ NOT NULL
  )`

/** One query of the simple protocol, and so one transaction: instances that start together create the table once. */
export const CREATE_TABLE = `
  SELECT pg_advisory_xact_lock(${LOCK}, 0);
  ${RATE_TABLE_SQL}`

/**
 * Adds `$2[i]` to the count of `$1[i]`, whose window of `$3` milliseconds begins with the first of them. Rows are taken
 * in one order, so that no two instances deadlock.
 */
export const ADD = `
  INSERT INTO "${RATE_TABLE}" AS t ("key", "count", "expire")
  SELECT a.key, a.count, now() + $3::float8 * interval '1 millisecond'
  FROM unnest($1::text[], $2::int[]) AS a (key, count)
  ORDER BY a.key
  ON CONFLICT ("key") DO UPDATE SET
    "count" = CASE WHEN t.expire > now() THEN t.count + EXCLUDED.count ELSE EXCLUDED.count END,
    "expire" = CASE WHEN t.expire > now() THEN t.expire ELSE EXCLUDED.expire END
  RETURNING t.key, t.count, date_part('epoch', t.expire - now()) * 1000 AS left_ms`

/** Removes windows that are over. Rows in use are left for the next time. */
export const PRUNE = `
  DELETE FROM "${RATE_TABLE}"
  WHERE ctid IN (
    SELECT ctid
    FROM "${RATE_TABLE}"
    WHERE expire < now()
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
  )`
