import { escapeLiteral } from 'pg'
import { LOCK_SPACE } from './expressions.js'
import type { Statement } from './statement.js'

export interface PruneEvents { maxRows: number, maxAgeMs: number }

/** Deletes at most `maxRows` events that are older than `maxAgeMs`, unless another instance is pruning. */
export const pruneEvents: Statement<PruneEvents, number, { removed: number }> = {
  text: ({ table, events = '' }) => `
    WITH election AS MATERIALIZED (
      SELECT pg_try_advisory_xact_lock(
        ${LOCK_SPACE}, ${escapeLiteral(table)}::regclass::oid::int
      ) AS elected
    ), removed AS (
      DELETE FROM ${events}
      WHERE id = ANY(ARRAY(
        SELECT id
        FROM ${events}
        WHERE at < now() - $2::float8 * interval '1 millisecond'
          AND (SELECT elected FROM election)
        ORDER BY at
        LIMIT $1
      ))
      RETURNING 1
    )
    SELECT count(*)::int AS removed
    FROM removed`,
  values: ({ maxRows, maxAgeMs }) => [
    maxRows, // $1
    maxAgeMs // $2
  ],
  outcome: ([row]) => row?.removed ?? 0
}
