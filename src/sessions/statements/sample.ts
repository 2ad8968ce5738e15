import { escapeLiteral } from 'pg'
import { hasExpired, isLive, now, READ_AT_PRIMARY } from './expressions.js'
import type { Statement } from './statement.js'

/** Up to this many live rows are counted. Of more, PostgreSQL's estimate is taken, which costs nothing. */
const MAX_COUNTED = 10_000

export interface Sample {
  /** Live rows: sessions, started logins, leases, and what says why a session ended. */
  rows: number
  /** Whether `rows` is PostgreSQL's estimate of all rows (`reltuples`), as of the last vacuum or analyze. */
  isEstimate: boolean
  /** How long ago the oldest expired row expired, in milliseconds; 0: there is none. */
  pruneLagMs: number
}

interface SampleRow { rows: number, is_estimate: boolean, lag_ms: number }

/** Looks at the table without reading more of it than the index on `expire` up to {@link MAX_COUNTED} rows. */
export const sample: Statement<void, Sample, SampleRow> = {
  isRead: true,
  text: (layout) => `
    WITH RECURSIVE parts AS (
      SELECT ${escapeLiteral(layout.table)}::regclass::oid AS oid
      UNION ALL
      SELECT inhrelid
      FROM pg_inherits
      JOIN parts ON parts.oid = inhparent
    ), counted AS (
      SELECT count(*)::int AS rows
      FROM (
        SELECT
        FROM ${layout.table}
        WHERE ${isLive(layout)}
        LIMIT ${MAX_COUNTED}
      ) AS live
    ), estimated AS (
      SELECT sum(greatest(reltuples, 0))::float8 AS rows
      FROM pg_class
      JOIN parts USING (oid)
    ), oldest AS (
      SELECT expire
      FROM ${layout.table}
      WHERE ${hasExpired(layout)}
      ORDER BY expire
      LIMIT 1
    )
    SELECT
      CASE WHEN counted.rows < ${MAX_COUNTED} THEN counted.rows ELSE greatest(estimated.rows, counted.rows) END AS rows,
      counted.rows >= ${MAX_COUNTED} AS is_estimate,
      coalesce((SELECT date_part('epoch', ${now(layout)} - expire) * 1000 FROM oldest), 0) AS lag_ms,
      ${READ_AT_PRIMARY} AS read_at
    FROM counted, estimated`,
  values: () => [],
  outcome: ([row]) => ({
    rows: row?.rows ?? 0,
    isEstimate: row?.is_estimate ?? false,
    pruneLagMs: row?.lag_ms ?? 0
  })
}
