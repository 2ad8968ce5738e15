import { isLiveBySid } from './expressions.js'
import { LIVE_ROW, type LiveRow } from './live-row.js'
import { MAX_READS, type BatchStatement, type Statement, type StoredIds } from './statement.js'

/** Reads live rows by their stored ids; undefined where there is none. */
export const get: BatchStatement<StoredIds, LiveRow | undefined, LiveRow> = {
  isRead: true,
  maxCalls: MAX_READS,
  text: (layout) => `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE sid = ANY($1::varchar[])
      AND ${isLiveBySid(layout)}`,
  values: (calls) => [
    calls.length === 1 ? calls[0] : calls.flat() // $1 stored ids
  ],
  outcome (rows, calls) {
    if (calls.length === 1 && rows.length <= 1) return [rows[0]]
    const bySid = new Map(rows.map((row) => [row.sid, row]))
    return calls.map((storedIds) => {
      for (const storedId of storedIds) {
        const row = bySid.get(storedId)
        if (row !== undefined) return row
      }
      return undefined
    })
  }
}

/** The same for one call with one stored id, which PostgreSQL plans faster. */
export const getOne: Statement<readonly StoredIds[], (LiveRow | undefined)[], LiveRow> = {
  isRead: true,
  text: (layout) => `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE sid = $1
      AND ${isLiveBySid(layout)}`,
  values: (calls) => [
    calls[0]?.[0] // $1 stored id
  ],
  outcome: (rows) => [rows[0]]
}
