import { endsDurably } from './expressions.js'
import type { Statement } from './statement.js'

/** Deletes every row. */
export const clear: Statement<void, void, never> = {
  text: (layout) => `
    DELETE FROM ${layout.table}
    WHERE ${endsDurably(layout)}`,
  values: () => [],
  outcome: () => {}
}
