import { endsDurably } from './expressions.js'
import { MAX_READS, type BatchStatement, type StoredIds } from './statement.js'

/**
 * Deletes sessions whose rows are not locked; true for a session that is left, because its row is
 * locked or just moved to another stored id. All parts of the statement see the same snapshot, so
 * every row is either deleted or left.
 */
export const destroyUnlocked: BatchStatement<StoredIds, boolean, { sid: string }> = {
  maxCalls: MAX_READS,
  text: (layout) => `
    WITH free AS MATERIALIZED (
      SELECT sid
      FROM ${layout.table}
      WHERE sid = ANY($1::varchar[])
      FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM ${layout.table} AS t
      USING free
      WHERE t.sid = free.sid
        AND ${endsDurably(layout)}
      RETURNING t.sid
    )
    SELECT sid
    FROM ${layout.table}
    WHERE sid = ANY($1::varchar[])
      AND sid NOT IN (SELECT sid FROM gone)`,
  values: (calls) => [
    calls.flat() // $1 stored ids
  ],
  outcome (rows, calls) {
    const left = new Set(rows.map(({ sid }) => sid))
    return calls.map((storedIds) => storedIds.some((sid) => left.has(sid)))
  }
}
