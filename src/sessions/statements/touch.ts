import { createdMs, EXPIRE_MS, expiry, isLiveBySid, NEW_VERSION, newSid } from './expressions.js'
import {
  byNumber, column, MAX_READS, MAX_WRITES_IN_FLIGHT, type BatchStatement, type NumberedRow,
  type StoredIds, type Written
} from './statement.js'

export interface Touch {
  storedIds: StoredIds
  durationMs: number
  /** The latest expiry, or null. */
  limitMs: number | null
  /** Without `limitMs`, the absolute lifetime, counted from when the session was created; or null. */
  lifetimeMs: number | null
}

/**
 * Moves the expiry of live rows, which get the current stored id; undefined where the row is locked
 * or gone.
 *
 * A locked row is skipped: its holder moves the expiry itself. Where an id has several rows, the
 * current one counts.
 */
export const touch: BatchStatement<Touch, Written | undefined, NumberedRow> = {
  maxCalls: MAX_READS,
  maxInFlight: MAX_WRITES_IN_FLIGHT,
  key: ({ storedIds }) => storedIds[0] ?? '',
  text: (layout) => `
    WITH stored AS (
      SELECT n, sid, rank
      FROM unnest($1::int[], $2::varchar[]) WITH ORDINALITY AS s (n, sid, rank)
    ), locked AS MATERIALIZED (
      SELECT
        n, rank, t.sid,
        CASE WHEN c.lifetime IS NOT NULL THEN ${createdMs(layout)} END AS created_ms,
        c.*
      FROM stored
      JOIN ${layout.table} AS t USING (sid)
      JOIN unnest($3::varchar[], $4::float8[], $5::float8[], $6::float8[])
        WITH ORDINALITY AS c (current_id, duration, lim, lifetime, call)
        ON c.call = stored.n
      WHERE ${isLiveBySid(layout)}
      FOR UPDATE OF t SKIP LOCKED
    ), c AS (
      SELECT DISTINCT ON (n) *
      FROM locked
      ORDER BY n, rank
    )
    UPDATE ${layout.table} AS t
    SET expire = ${expiry(layout, 'c.duration', 'COALESCE(c.lim, c.created_ms + c.lifetime)')},
      sid = ${newSid(layout, 'c.current_id')}
    FROM c
    WHERE t.sid = c.sid
    RETURNING c.n, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms`,
  values: (calls) => [
    calls.flatMap(({ storedIds }, index) => storedIds.map(() => index + 1)), // $1 number of the call
    calls.flatMap(({ storedIds }) => storedIds), // $2 stored id of that call
    calls.map(({ storedIds }) => storedIds[0]), // $3 current stored id
    column(calls, 'durationMs'), // $4
    column(calls, 'limitMs'), // $5
    column(calls, 'lifetimeMs') // $6
  ],
  outcome: byNumber
}
