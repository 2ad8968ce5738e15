import type { Statement, StoredIds } from './statement.js'

/** Deletes one session. Waits while its row is locked. */
export const destroy: Statement<StoredIds, void, never> = {
  text: ({ table }) => `
    DELETE FROM ${table}
    WHERE sid = ANY($1::varchar[])`,
  values: (storedIds) => [
    storedIds // $1
  ],
  outcome: () => {}
}
