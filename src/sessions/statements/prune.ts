import { escapeLiteral } from 'pg'
import { hasExpired, LOCK_SPACE } from './expressions.js'
import type { Statement } from './statement.js'

export interface Pruned {
  /** False while another instance prunes. */
  elected: boolean
  removed: number
  /** The last expiry that was removed, as PostgreSQL writes it; null: none. */
  last: string | null
}

export interface Prune {
  maxRows: number
  /** The expiry at which to begin; null: at the oldest. */
  from: string | null
}

/**
 * Deletes at most `maxRows` expired rows, the oldest first, unless another instance is pruning.
 * Locked rows are skipped. A batch that begins where the last one ended does not walk over the rows
 * that are deleted and not yet vacuumed, as while a backup runs. The advisory lock ends with the
 * transaction, also behind a transaction-mode pooler.
 */
export const prune: Statement<Prune, Pruned, Pruned> = {
  text: (layout) => `
    WITH election AS MATERIALIZED (
      SELECT pg_try_advisory_xact_lock(
        ${LOCK_SPACE}, ${escapeLiteral(layout.table)}::regclass::oid::int
      ) AS elected
    ), removed AS (
      DELETE FROM ${layout.table}
      WHERE ${hasExpired(layout)}
        AND sid = ANY(ARRAY(
          SELECT sid
          FROM ${layout.table}
          WHERE ${hasExpired(layout)}
            AND ($2::text IS NULL OR expire >= $2::${layout.expire})
            AND (SELECT elected FROM election)
          ORDER BY expire
          LIMIT $1
          FOR UPDATE SKIP LOCKED
        ))
      RETURNING expire
    )
    SELECT
      elected,
      (SELECT count(*) FROM removed)::int AS removed,
      (SELECT max(expire) FROM removed)::text AS last
    FROM election`,
  values: ({ maxRows, from }) => [
    maxRows, // $1
    from // $2
  ],
  outcome: ([row = { elected: false, removed: 0, last: null }]) => row
}
