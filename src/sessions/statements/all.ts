import { isLive } from './expressions.js'
import { LIVE_ROW, type LiveRow } from './live-row.js'
import type { Statement } from './statement.js'
import { isCounted } from './stored-id.js'

/** Every live row, except those that say why a session ended, and shared values. */
export const all: Statement<void, LiveRow[], LiveRow> = {
  isRead: true,
  text: (layout) => `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE ${isLive(layout)}
      AND ${isCounted()}`,
  values: () => [],
  outcome: (rows) => rows
}
