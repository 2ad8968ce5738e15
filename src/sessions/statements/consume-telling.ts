import { liveSess, type ConsumedRow } from './consume.js'
import { insertEnds } from './end-rows.js'
import { recording } from './events.js'
import { endsDurably, isLiveBySid } from './expressions.js'
import type { Layout } from './layout.js'
import { eventsColumn, NOT_RECORDED, withEvents } from './recorded.js'
import type { Statement, StoredIds } from './statement.js'

export interface ConsumeTelling {
  storedIds: StoredIds
  /** Null: no row says why. */
  reason: string | null
}

const text = (layout: Layout, events = NOT_RECORDED): string => `
    WITH gone AS (
      DELETE FROM ${layout.table}
      WHERE sid = ANY($1::varchar[])
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLiveBySid(layout)} AS live${events.subject}
    ), told AS (${insertEnds(layout, '$2')}
    )${events.cte}
    SELECT sid, sess, live${eventsColumn(events)}
    FROM gone`

/** As `consume`, and leaves a row that says why the session ended. */
export const consumeTelling: Statement<ConsumeTelling, string | undefined, ConsumedRow> = {
  text: (layout) => text(layout),
  values: ({ storedIds, reason }) => [
    storedIds, // $1
    reason // $2
  ],
  outcome: (rows, { storedIds }) => liveSess(rows, storedIds)
}

/** As `consumeTelling`, and records events. Their part is `ended`. */
export const consumeRecorded = withEvents(consumeTelling, (layout) =>
  text(layout, recording(layout, '$3', [ENDED])))

/** The sessions that a statement ends. */
export const ENDED = 'SELECT \'ended\' AS part, sid, event_user, event_role FROM gone WHERE live'
