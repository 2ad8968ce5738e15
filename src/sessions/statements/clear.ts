import type { Statement } from './statement.js'

/** Deletes every row. */
export const clear = (table: string): Statement<void, void, never> => ({
  text: `DELETE FROM ${table}`,
  values: () => [],
  outcome: () => {}
})
