import { isLive, READ_AT_PRIMARY } from './expressions.js'
import type { Statement } from './statement.js'
import { isCounted } from './stored-id.js'

/** The number of live rows, except those that say why a session ended, and shared values. */
export const count: Statement<void, number, { count: number }> = {
  isRead: true,
  text: (layout) => `
    SELECT count(*)::int AS count, ${READ_AT_PRIMARY} AS read_at
    FROM ${layout.table}
    WHERE ${isLive(layout)}
      AND ${isCounted()}`,
  values: () => [],
  outcome: ([row]) => row?.count ?? 0
}
