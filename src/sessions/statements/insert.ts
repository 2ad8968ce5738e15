import { EXPIRE_MS, expiry, NEW_VERSION, NOW_MS } from './expressions.js'
import { joinLines, splitLines } from './lines.js'
import {
  column, MAX_WRITES, MAX_WRITES_IN_FLIGHT, type BatchStatement, type Written, type WrittenRow
} from './statement.js'

export interface Insert {
  sid: string
  /** JSON. */
  sess: string
  durationMs: number
  /** The latest expiry, or null. */
  limitMs: number | null
  /** The absolute lifetime of a session without `createdAt`, which is added to `sess`; or null. */
  lifetimeMs: number | null
}

export interface Inserted extends Written {
  /** When the row was written. */
  createdMs: number
}

export interface InsertedRow extends WrittenRow { created_ms: number }

/**
 * Inserts new sessions; each replaces one of the same id. Rows are written in the order of their
 * ids, to avoid deadlocks.
 */
export const insert = (
  table: string
): BatchStatement<Insert, Inserted | undefined, InsertedRow & { sid: string }> => ({
  maxCalls: MAX_WRITES,
  maxInFlight: MAX_WRITES_IN_FLIGHT,
  key: ({ sid }) => sid,
  text: insertText(table),
  values: insertValues,
  outcome (rows, calls) {
    const bySid = new Map(rows.map((row) => [row.sid, inserted(row)]))
    return calls.map(({ sid }) => bySid.get(sid))
  }
})

export const insertText = (table: string): string => `
    INSERT INTO ${table} AS t (sid, sess, expire)
    SELECT
      sid,
      CASE WHEN lifetime IS NULL
        THEN sess
        ELSE left(sess, -1) || ',"createdAt":' || floor(${NOW_MS})::bigint || '}'
      END::json,
      ${expiry('LEAST(duration, lifetime)', 'lim')}
    FROM unnest($1::varchar[], ${splitLines('$2')}, $3::float8[], $4::float8[], $5::float8[])
      AS c (sid, sess, duration, lim, lifetime)
    ORDER BY sid
    ON CONFLICT (sid) DO UPDATE
      SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
    RETURNING t.sid, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms, floor(${NOW_MS}) AS created_ms`

export const insertValues = (calls: readonly Insert[]): unknown[] => [
  column(calls, 'sid'), // $1
  joinLines(calls), // $2 sess
  column(calls, 'durationMs'), // $3
  column(calls, 'limitMs'), // $4
  column(calls, 'lifetimeMs') // $5
]

export const inserted = (row: InsertedRow): Inserted =>
  ({ version: row.version, expireMs: row.expire_ms, createdMs: row.created_ms })
