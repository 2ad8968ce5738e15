import { liveSess, type ConsumedRow } from './consume.js'
import { recording } from './events.js'
import { endsDurably, isLiveBySid } from './expressions.js'
import {
  inserted, insertText, insertValues, type Insert, type Inserted, type InsertedRow
} from './insert.js'
import type { Layout } from './layout.js'
import { eventsColumn, NOT_RECORDED, withEvents } from './recorded.js'
import type { Statement, StoredIds } from './statement.js'

export interface Replace {
  insert: Insert
  /** The stored ids of each session that ends. */
  former: readonly StoredIds[]
}

export interface Replaced {
  written: Inserted
  /** `sess` of each former session; undefined for one that was not live. */
  ended: (string | undefined)[]
}

const text = (layout: Layout, events = NOT_RECORDED): string => `
    WITH former AS (
      DELETE FROM ${layout.table}
      WHERE sid = ANY($5::varchar[])
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLiveBySid(layout)} AS live${events.subject}
    ), new AS (${insertText(layout, { further: events.subject })}
    )${events.cte}
    SELECT new.version, new.expire_ms, new.created_ms, former.sid, former.sess, former.live${eventsColumn(events)}
    FROM new
    LEFT JOIN former ON true`

/** Inserts one session and deletes others, atomically. */
export const replace: Statement<Replace, Replaced, InsertedRow & ConsumedRow> = {
  writesSess: true,
  text: (layout) => text(layout),
  values: ({ insert, former }) => [
    ...insertValues(insert), // $1 to $4
    former.flat() // $5 stored ids of the former sessions
  ],
  outcome (rows, { former }) {
    const [row = { version: '', expire_ms: 0, created_ms: 0 }] = rows
    return { written: inserted(row), ended: former.map((storedIds) => liveSess(rows, storedIds)) }
  }
}

/** The sessions that a replacement begins and ends. */
export const STARTED = 'SELECT \'started\' AS part, sid, event_user, event_role FROM new'
export const REPLACED = 'SELECT \'replaced\' AS part, sid, event_user, event_role FROM former WHERE live'

/** As `replace`, and records events. Their parts are `started` and `replaced`. */
export const replaceRecorded = withEvents(replace, (layout) =>
  text(layout, recording(layout, '$6', [STARTED, REPLACED])))
