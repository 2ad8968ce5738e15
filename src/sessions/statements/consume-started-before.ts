import { ENDED } from './consume-telling.js'
import type { ConsumedRow } from './consume.js'
import { insertEnds } from './end-rows.js'
import { recording } from './events.js'
import { createdMs, endsDurably, isLive } from './expressions.js'
import { member, type Layout } from './layout.js'
import { eventsColumn, NOT_RECORDED, withEvents } from './recorded.js'
import type { Statement } from './statement.js'

export interface ConsumeStartedBefore {
  user: string
  /** In milliseconds since 1970, by another clock than the database's. */
  beforeMs: number
  /** How far the two clocks may be apart, in milliseconds. */
  toleranceMs: number
  /** Only sessions that have one of these in `roles` or as `role`. Null: all. */
  roles: readonly string[] | null
  /** Why the sessions end: each leaves a row that says so. Null: none. */
  reason: string | null
}

/** When the user signed in at the provider, in seconds since 1970, or null. */
const authTime = (layout: Layout): string =>
  `(substring(${member(layout, ['authTime'])} FROM '^\\d{1,12}$')::float8)`

const hasRole = (layout: Layout, roles: string): string => {
  const all = member(layout, ['roles'])
  return `(
          COALESCE(${member(layout, ['role'])}, '') = ANY(${roles}::text[])
          OR CASE WHEN COALESCE(${all}, '') LIKE '[%' THEN (${all})::jsonb ?| ${roles}::text[] ELSE false END
        )`
}

const text = (layout: Layout, events = NOT_RECORDED): string => `
    WITH gone AS (
      DELETE FROM ${layout.table}
      WHERE ${layout.user} = $1
        AND COALESCE(${createdMs(layout)}, 0) <= $2::float8 + $3::float8
        AND NOT COALESCE(${authTime(layout)} > $2::float8 / 1000, false)
        AND ($4::text[] IS NULL OR ${hasRole(layout, '$4')})
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLive(layout)} AS live${events.subject}
    ), told AS (${insertEnds(layout, '$5')}
    )${events.cte}
    SELECT sid, sess, live${eventsColumn(events)}
    FROM gone`

/**
 * Deletes the rows of a user that had started at a time of another clock, and gives what the live ones held. A session
 * whose user signed in at the provider after that time stays, and so does one that started later than the tolerance
 * allows for.
 */
export const consumeStartedBefore: Statement<ConsumeStartedBefore, ConsumedRow[], ConsumedRow> = {
  text: (layout) => text(layout),
  values: ({ user, beforeMs, toleranceMs, roles, reason }) => [
    user, // $1
    beforeMs, // $2
    toleranceMs, // $3
    roles, // $4
    reason // $5
  ],
  outcome: (rows) => rows.filter(({ live }) => live)
}

/** As `consumeStartedBefore`, and records events. Their part is `ended`. */
export const consumeStartedBeforeRecorded = withEvents(consumeStartedBefore, (layout) =>
  text(layout, recording(layout, '$6', [ENDED])))
