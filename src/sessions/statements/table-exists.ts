import type { Statement } from './statement.js'

/** Whether a table of this quoted name exists. Needs no privilege. */
export const tableExists: Statement<string, boolean, { found: boolean }> = {
  isRead: true,
  text: 'SELECT to_regclass($1) IS NOT NULL AS found',
  values: (table) => [
    table // $1
  ],
  outcome: ([row]) => row?.found === true
}
