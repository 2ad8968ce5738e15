import type { Statement } from './statement.js'

/** Deletes every row. */
export const clear: Statement<void, void, never> = {
  text: ({ table }) => `DELETE FROM ${table}`,
  values: () => [],
  outcome: () => {}
}
