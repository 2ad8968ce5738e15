import { endsDurably, isLiveBySid } from './expressions.js'
import type { Statement, StoredIds } from './statement.js'

export interface ConsumedRow { sid: string, sess: string, live: boolean }

/**
 * Deletes one session and gives its `sess`; undefined if it was not live. Only one of any number of
 * callers gets it.
 */
export const consume: Statement<StoredIds, string | undefined, ConsumedRow> = {
  text: (layout) => `
    DELETE FROM ${layout.table}
    WHERE sid = ANY($1::varchar[])
      AND ${endsDurably(layout)}
    RETURNING sid, sess::text AS sess, ${isLiveBySid(layout)} AS live`,
  values: (storedIds) => [
    storedIds // $1
  ],
  outcome: liveSess
}

/** `sess` of the first of these stored ids that has a live row. */
export function liveSess (rows: readonly ConsumedRow[], storedIds: StoredIds): string | undefined {
  for (const storedId of storedIds) {
    const row = rows.find(({ sid, live }) => live && sid === storedId)
    if (row !== undefined) return row.sess
  }
  return undefined
}
