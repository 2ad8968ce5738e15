import { isLive } from './expressions.js'
import { LIVE_ROW, type LiveRow } from './live-row.js'
import type { Statement } from './statement.js'

/** Every live row. */
export const all: Statement<void, LiveRow[], LiveRow> = {
  isRead: true,
  text: (layout) => `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE ${isLive(layout)}`,
  values: () => [],
  outcome: (rows) => rows
}
