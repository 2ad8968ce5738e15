import { liveSess, type ConsumedRow } from './consume.js'
import { insertEnds } from './end-rows.js'
import { endsDurably, isLive } from './expressions.js'
import type { Statement, StoredIds } from './statement.js'

export interface ConsumeTelling { storedIds: StoredIds, reason: string }

/** As `consume`, and leaves a row that says why the session ended. */
export const consumeTelling: Statement<ConsumeTelling, string | undefined, ConsumedRow> = {
  text: (layout) => `
    WITH gone AS (
      DELETE FROM ${layout.table}
      WHERE sid = ANY($1::varchar[])
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLive(layout)} AS live
    ), told AS (${insertEnds(layout, '$2')}
    )
    SELECT sid, sess, live
    FROM gone`,
  values: ({ storedIds, reason }) => [
    storedIds, // $1
    reason // $2
  ],
  outcome: (rows, { storedIds }) => liveSess(rows, storedIds)
}
