import { now } from './expressions.js'
import type { Statement } from './statement.js'

/** The number of live rows. */
export const count: Statement<void, number, { count: number }> = {
  text: (layout) => `
    SELECT count(*)::int AS count
    FROM ${layout.table}
    WHERE expire > ${now(layout)}`,
  values: () => [],
  outcome: ([row]) => row?.count ?? 0
}
