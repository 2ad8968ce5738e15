import { NOW } from './expressions.js'
import { LIVE_ROW, type LiveRow } from './live-row.js'
import type { Statement } from './statement.js'

/** Every live row. */
export const all = (table: string): Statement<void, LiveRow[], LiveRow> => ({
  isRead: true,
  text: `
    SELECT ${LIVE_ROW}
    FROM ${table} AS t
    WHERE expire > ${NOW}`,
  values: () => [],
  outcome: (rows) => rows
})
