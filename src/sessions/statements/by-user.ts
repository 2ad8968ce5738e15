import type { ConsumedRow } from './consume.js'
import { ENDED } from './consume-telling.js'
import { insertEnds } from './end-rows.js'
import { recording } from './events.js'
import { endsDurably, isLive } from './expressions.js'
import type { Layout } from './layout.js'
import { LIVE_ROW, type LiveRow } from './live-row.js'
import { eventsColumn, NOT_RECORDED, withEvents } from './recorded.js'
import type { Statement, StoredIds } from './statement.js'

/** The live rows of a user, the latest expiry first. */
export const listByUser: Statement<string, LiveRow[], LiveRow> = {
  isRead: true,
  text: (layout) => `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE ${layout.user} = $1
      AND ${isLive(layout)}
    ORDER BY expire DESC`,
  values: (user) => [
    user // $1
  ],
  outcome: (rows) => rows
}

export interface DestroyByUser {
  user: string
  /** The stored ids of the session that stays. */
  except: StoredIds
  /** Why the sessions end: each leaves a row that says so. Null: none. */
  reason: string | null
}

interface GoneRow { sid: string, live: boolean }

const destroyText = (layout: Layout, events = NOT_RECORDED): string => `
    WITH gone AS (
      DELETE FROM ${layout.table}
      WHERE ${layout.user} = $1
        AND sid <> ALL($2::varchar[])
        AND ${endsDurably(layout)}
      RETURNING sid, ${isLive(layout)} AS live${events.subject}
    ), told AS (${insertEnds(layout, '$3')}
    )${events.cte}
    SELECT sid, live${eventsColumn(events)}
    FROM gone`

/** Deletes the rows of a user and gives the stored ids of the live ones. */
export const destroyByUser: Statement<DestroyByUser, string[], GoneRow> = {
  text: (layout) => destroyText(layout),
  values: ({ user, except, reason }) => [
    user, // $1
    except, // $2
    reason // $3
  ],
  outcome: (rows) => rows.filter(({ live }) => live).map(({ sid }) => sid)
}

/** As `destroyByUser`, and records events. Their part is `ended`. */
export const destroyByUserRecorded = withEvents(destroyByUser, (layout) =>
  destroyText(layout, recording(layout, '$4', [ENDED])))

const consumeText = (layout: Layout, events = NOT_RECORDED): string => `
    WITH gone AS (
      DELETE FROM ${layout.table}
      WHERE ${layout.user} = $1
        AND sid <> ALL($2::varchar[])
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLive(layout)} AS live${events.subject}
    ), told AS (${insertEnds(layout, '$3')}
    )${events.cte}
    SELECT sid, sess, live${eventsColumn(events)}
    FROM gone`

/** As `destroyByUser`, and gives what the live rows held. */
export const consumeByUser: Statement<DestroyByUser, ConsumedRow[], ConsumedRow> = {
  text: (layout) => consumeText(layout),
  values: destroyByUser.values,
  outcome: (rows) => rows.filter(({ live }) => live)
}

/** As `consumeByUser`, and records events. Their part is `ended`. */
export const consumeByUserRecorded = withEvents(consumeByUser, (layout) =>
  consumeText(layout, recording(layout, '$4', [ENDED])))
