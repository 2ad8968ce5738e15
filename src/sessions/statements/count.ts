import { isLive, READ_AT_PRIMARY } from './expressions.js'
import type { Statement } from './statement.js'
import { isNoEnd } from './stored-id.js'

/** The number of live rows, except those that say why a session ended. */
export const count: Statement<void, number, { count: number }> = {
  isRead: true,
  text: (layout) => `
    SELECT count(*)::int AS count, ${READ_AT_PRIMARY} AS read_at
    FROM ${layout.table}
    WHERE ${isLive(layout)}
      AND ${isNoEnd()}`,
  values: () => [],
  outcome: ([row]) => row?.count ?? 0
}
