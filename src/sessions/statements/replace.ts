import { liveSess, type ConsumedRow } from './consume.js'
import { endsDurably, isLive } from './expressions.js'
import {
  inserted, insertText, insertValues, type Insert, type Inserted, type InsertedRow
} from './insert.js'
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

/** Inserts one session and deletes others, atomically. */
export const replace: Statement<Replace, Replaced, InsertedRow & ConsumedRow> = {
  writesSess: true,
  text: (layout) => `
    WITH former AS (
      DELETE FROM ${layout.table}
      WHERE sid = ANY($6::varchar[])
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLive(layout)} AS live
    ), new AS (${insertText(layout)}
    )
    SELECT new.version, new.expire_ms, new.created_ms, former.sid, former.sess, former.live
    FROM new
    LEFT JOIN former ON true`,
  values: ({ insert, former }) => [
    ...insertValues([insert]), // $1 to $5
    former.flat() // $6 stored ids of the former sessions
  ],
  outcome (rows, { former }) {
    const [row = { version: '', expire_ms: 0, created_ms: 0 }] = rows
    return { written: inserted(row), ended: former.map((storedIds) => liveSess(rows, storedIds)) }
  }
}
