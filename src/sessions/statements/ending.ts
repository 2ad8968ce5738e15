import { createdMs, EXPIRE_MS, READ_AT_PRIMARY } from './expressions.js'
import { member } from './layout.js'
import { MAX_READS, type BatchStatement, type StoredIds } from './statement.js'
import { endSid } from './stored-id.js'

/** The reason that was given when a session ended, or its row, which may have expired. */
export type Ending = { reason: string } | { expireMs: number, createdMs: number | null, nowMs: number }

interface EndingRow {
  sid: string
  reason: string | null
  expire_ms: number
  created_ms: number | null
  now_ms: number
}

/** Reads what is known of sessions that are not live; undefined where nothing is. */
export const ending: BatchStatement<StoredIds, Ending | undefined, EndingRow> = {
  isRead: true,
  maxCalls: MAX_READS,
  text: (layout) => `
    SELECT
      t.sid, ${member(layout, ['ended'])} AS reason, ${EXPIRE_MS} AS expire_ms,
      ${createdMs(layout)} AS created_ms, date_part('epoch', ${READ_AT_PRIMARY}) * 1000 AS now_ms
    FROM ${layout.table} AS t
    WHERE sid = ANY($1::varchar[])`,
  values: (calls) => [
    calls.flatMap((storedIds) => [...storedIds.map(endSid), ...storedIds]) // $1 stored ids
  ],
  outcome (rows, calls) {
    const bySid = new Map(rows.map((row) => [row.sid, row]))
    return calls.map((storedIds) => {
      const told = storedIds
        .map((sid) => bySid.get(endSid(sid)))
        .find((row) => row !== undefined && row.expire_ms > row.now_ms)
      if (typeof told?.reason === 'string') return { reason: told.reason }
      const row = storedIds.map((sid) => bySid.get(sid)).find((found) => found !== undefined)
      if (row === undefined) return undefined
      return { expireMs: row.expire_ms, createdMs: row.created_ms, nowMs: row.now_ms }
    })
  }
}
