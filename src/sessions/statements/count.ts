import { NOW, READ_AT_PRIMARY } from './expressions.js'
import type { Statement } from './statement.js'

/** The number of live rows. */
export const count = (table: string): Statement<void, number, { count: number }> => ({
  isRead: true,
  text: `
    SELECT count(*)::int AS count, ${READ_AT_PRIMARY} AS read_at
    FROM ${table}
    WHERE expire > ${NOW}`,
  values: () => [],
  outcome: ([row]) => row?.count ?? 0
})
