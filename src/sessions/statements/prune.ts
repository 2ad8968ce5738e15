import { escapeLiteral } from 'pg'
import { LOCK_SPACE, NOW } from './expressions.js'
import type { Statement } from './statement.js'

export interface Pruned {
  /** False while another instance prunes. */
  elected: boolean
  removed: number
}

/**
 * Deletes at most the given number of expired rows, the oldest first, unless another instance is
 * pruning. Locked rows are skipped. The advisory lock ends with the transaction, also behind a
 * transaction-mode pooler.
 */
export const prune = (table: string): Statement<number, Pruned, Pruned> => ({
  text: `
    WITH election AS MATERIALIZED (
      SELECT pg_try_advisory_xact_lock(
        ${LOCK_SPACE}, ${escapeLiteral(table)}::regclass::oid::int
      ) AS elected
    ), removed AS (
      DELETE FROM ${table}
      WHERE expire <= ${NOW}
        AND sid = ANY(ARRAY(
          SELECT sid
          FROM ${table}
          WHERE expire <= ${NOW}
            AND (SELECT elected FROM election)
          ORDER BY expire
          LIMIT $1
          FOR UPDATE SKIP LOCKED
        ))
      RETURNING 1
    )
    SELECT elected, (SELECT count(*) FROM removed)::int AS removed
    FROM election`,
  values: (maxRows) => [
    maxRows // $1
  ],
  outcome: ([row = { elected: false, removed: 0 }]) => row
})
