import { EXPIRE_MS, isLiveBySid, NEW_VERSION, newExpiry } from './expressions.js'
import type { Layout } from './layout.js'
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

type UpdateStatement = BatchStatement<Update, Written | undefined, NumberedRow>

const base = {
  maxCalls: MAX_WRITES,
  maxInFlight: MAX_WRITES_IN_FLIGHT,
  key: ({ sid }: Update) => sid,
  writesSess: true,
  outcome: byNumber
}

/**
 * Writes live rows that still have their version; undefined where the version changed, or the row
 * is locked or gone.
 *
 * It waits for no lock, so that two instances cannot wait for each other. `ctid` is unique within
 * one partition or child only: `tableoid` names it. With `sid`, the executor looks into no other
 * partition.
 */
export const update: UpdateStatement = {
  ...base,
  text: (layout) => sqlOf(layout, {
    arrays: ', $4::float8[], $5::float8[]',
    columns: ', duration, lim',
    set: `, expire = ${newExpiry(layout, 'c.duration', 'c.lim')}`
  }),
  values: (calls) => [
    ...contentValues(calls), // $1 to $3
    column(calls, 'durationMs'), // $4
    column(calls, 'limitMs') // $5
  ]
}

/** The same where no call moves the expiry, which PostgreSQL plans faster. */
export const updateContent: UpdateStatement = {
  ...base,
  text: (layout) => sqlOf(layout),
  values: contentValues
}

function contentValues (calls: readonly Update[]): unknown[] {
  return [
    column(calls, 'sid'), // $1
    column(calls, 'version'), // $2
    joinLines(column(calls, 'sess')) // $3 sess
  ]
}

/** @param expiry what moves the expiry: more arrays, their columns, and what is set. */
function sqlOf (layout: Layout, expiry = { arrays: '', columns: '', set: '' }): string {
  const { table, sess, isPartitioned } = layout
  return `
    WITH c AS (
      SELECT c.n, t.sid, c.sess${expiry.columns.replaceAll(', ', ', c.')}, t.tableoid AS part, t.ctid AS place
      FROM unnest($1::varchar[], $2::text[], ${splitLines('$3')}${expiry.arrays})
        WITH ORDINALITY AS c (sid, version, sess${expiry.columns}, n)
      JOIN ${table} AS t USING (sid)
      WHERE t.xmin = c.version::xid
        AND ${isLiveBySid(layout, 't.expire')}
      FOR UPDATE OF t SKIP LOCKED
    )
    UPDATE ${table} AS t
    SET sess = c.sess::${sess}${expiry.set}
    FROM c
    WHERE t.ctid = c.place
      AND t.tableoid = c.part
      ${isPartitioned ? 'AND t.sid = c.sid' : ''}
    RETURNING c.n, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms`
}
