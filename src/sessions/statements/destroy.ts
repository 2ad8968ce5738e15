import { endsDurably } from './expressions.js'
import type { Statement, StoredIds } from './statement.js'

/** Deletes one session. Waits while its row is locked. */
export const destroy: Statement<StoredIds, void, never> = {
  text: (layout) => `
    DELETE FROM ${layout.table}
    WHERE sid = ANY($1::varchar[])
      AND ${endsDurably(layout)}`,
  values: (storedIds) => [
    storedIds // $1
  ],
  outcome: () => {}
}
