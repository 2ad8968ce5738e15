import { READ_AT_PRIMARY } from './expressions.js'
import type { Statement } from './statement.js'

/** Whether the database accepts writes. Fails when the table is missing. */
export const ping: Statement<void, boolean, { read_only: boolean }> = {
  isRead: true,
  text: ({ table }) => `
    SELECT current_setting('transaction_read_only') = 'on' AS read_only, ${READ_AT_PRIMARY} AS read_at
    FROM (SELECT 1) AS one
    LEFT JOIN (SELECT 1 FROM ${table} LIMIT 0) AS t ON true`,
  values: () => [],
  outcome: ([row]) => row?.read_only === false
}
