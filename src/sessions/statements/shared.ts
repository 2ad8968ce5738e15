import { isLive, READ_AT_PRIMARY } from './expressions.js'
import { member } from './layout.js'
import type { Statement } from './statement.js'

/** A value that all processes share, and when it was read. */
export interface SharedValue {
  /** Null: there is none, or it has expired. */
  value: string | null
  /** In milliseconds since 1970 on the database's clock. */
  nowMs: number
}

/** The member of `sess` that has a shared value. */
export const SHARED_KEY = 'shared'

/** Reads a shared value by its stored id. */
export const shared: Statement<string, SharedValue, { value: string | null, now_ms: number }> = {
  isRead: true,
  text: (layout) => `
    SELECT
      (
        SELECT ${member(layout, [SHARED_KEY])}
        FROM ${layout.table}
        WHERE sid = $1
          AND ${isLive(layout)}
      ) AS value,
      date_part('epoch', ${READ_AT_PRIMARY}) * 1000 AS now_ms`,
  values: (sid) => [
    sid // $1
  ],
  outcome: ([row]) => ({ value: row?.value ?? null, nowMs: row?.now_ms ?? Date.now() })
}
