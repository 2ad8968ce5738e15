import { EXPIRE_MS, isLive, NEW_VERSION, newExpiry } from './expressions.js'
import { joinLines, splitLines } from './lines.js'
import {
  byNumber, column, MAX_WRITES, MAX_WRITES_IN_FLIGHT, type BatchStatement, type NumberedRow,
  type Written
} from './statement.js'

export interface Update {
  sid: string
  /** The version that the row must still have. */
  version: string
  /** JSON. */
  sess: string
  /** Null keeps the expiry. */
  durationMs: number | null
  /** The latest expiry, or null. */
  limitMs: number | null
}

/**
 * Writes live rows that still have their version; undefined where the version changed, or the row
 * is locked or gone.
 *
 * It waits for no lock, so that two instances cannot wait for each other. `ctid` is unique within
 * one partition only: `tableoid` names the partition, and `sid` lets the executor skip the others.
 */
export const update: BatchStatement<Update, Written | undefined, NumberedRow> = {
  maxCalls: MAX_WRITES,
  maxInFlight: MAX_WRITES_IN_FLIGHT,
  key: ({ sid }) => sid,
  writesSess: true,
  text: (layout) => `
    WITH c AS (
      SELECT c.n, t.sid, c.sess, c.duration, c.lim, t.tableoid AS part, t.ctid AS place
      FROM unnest($1::varchar[], $2::text[], ${splitLines('$3')}, $4::float8[], $5::float8[])
        WITH ORDINALITY AS c (sid, version, sess, duration, lim, n)
      JOIN ${layout.table} AS t USING (sid)
      WHERE t.xmin = c.version::xid
        AND ${isLive(layout, 't.expire')}
      FOR UPDATE OF t SKIP LOCKED
    )
    UPDATE ${layout.table} AS t
    SET sess = c.sess::${layout.sess},
      expire = ${newExpiry(layout, 'c.duration', 'c.lim')}
    FROM c
    WHERE t.sid = c.sid
      AND t.tableoid = c.part
      AND t.ctid = c.place
    RETURNING c.n, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms`,
  values: (calls) => [
    column(calls, 'sid'), // $1
    column(calls, 'version'), // $2
    joinLines(calls), // $3 sess
    column(calls, 'durationMs'), // $4
    column(calls, 'limitMs') // $5
  ],
  outcome: byNumber
}
