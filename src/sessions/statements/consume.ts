import { endsDurably, isLiveBySid } from './expressions.js'
import {
  MAX_WRITES, MAX_WRITES_IN_FLIGHT, type BatchStatement, type Statement, type StoredIds, type Unlocked
} from './statement.js'

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

interface UnlockedRow extends ConsumedRow { has_legacy: boolean }

/**
 * The same for several sessions that have their current stored id. Another is left, as is one whose
 * row is locked, and each one if there is a row with any of the legacy ids.
 *
 * Only the first condition lets PostgreSQL leave out partitions.
 */
export const consumeUnlocked: BatchStatement<StoredIds, Unlocked<string | undefined>, UnlockedRow> = {
  maxCalls: MAX_WRITES,
  maxInFlight: MAX_WRITES_IN_FLIGHT,
  key: ([sid = '']) => sid,
  text: (layout) => `
    DELETE FROM ${layout.table}
    WHERE sid = ANY($1::varchar[])
      AND sid = ANY(ARRAY(
        SELECT sid
        FROM ${layout.table}
        WHERE sid = ANY($1::varchar[])
        FOR UPDATE SKIP LOCKED
      ))
      AND ${endsDurably(layout)}
    RETURNING
      sid, sess::text AS sess, ${isLiveBySid(layout)} AS live,
      EXISTS (SELECT FROM ${layout.table} WHERE sid = ANY($2::varchar[])) AS has_legacy`,
  values: (calls) => [
    calls.map(([sid]) => sid), // $1 current stored ids
    calls.flatMap(([, ...legacyIds]) => legacyIds) // $2 legacy ones
  ],
  outcome (rows, calls) {
    const bySid = new Map(rows.map(({ sid, sess, live }) => [sid, live ? sess : undefined]))
    const hasLegacy = rows[0]?.has_legacy === true
    return calls.map(([sid = '']) => {
      const sess = bySid.get(sid)
      return { out: sess, isLeft: sess === undefined || hasLegacy }
    })
  }
}

/** `sess` of the first of these stored ids that has a live row. */
export function liveSess (rows: readonly ConsumedRow[], storedIds: StoredIds): string | undefined {
  for (const storedId of storedIds) {
    const row = rows.find(({ sid, live }) => live && sid === storedId)
    if (row !== undefined) return row.sess
  }
  return undefined
}
