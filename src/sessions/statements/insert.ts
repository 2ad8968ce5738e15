import { CREATED_PLACEHOLDER } from './own-data.js'
import { eventsOf, recordedIn, recording, type EventOf } from './events.js'
import { EXPIRE_MS, expiry, hasExpireType, NEW_VERSION, NOW_MS } from './expressions.js'
import type { Layout } from './layout.js'
import { joinLines, splitLines } from './lines.js'
import {
  column, MAX_WRITES, MAX_WRITES_IN_FLIGHT, type BatchStatement, type Written, type WrittenRow
} from './statement.js'

export interface Insert {
  sid: string
  /** JSON. With `lifetimeMs` it ends with {@link CREATED_PLACEHOLDER}. */
  sess: string
  durationMs: number
  /** The latest expiry, or null. */
  limitMs: number | null
  /** The absolute lifetime, counted from now, which is added to `sess`; or null. */
  lifetimeMs: number | null
}

export interface Inserted extends Written {
  /** When the row was written. */
  createdMs: number
}

export interface InsertedRow extends WrittenRow { created_ms: number }

/**
 * @param condition SQL that must hold, or nothing is inserted.
 * @param further columns that are returned as well.
 */
export const insertText = (layout: Layout, condition = 'true', further = ''): string => `
    INSERT INTO ${layout.table} AS t (sid, sess, expire)
    SELECT
      sid,
      CASE WHEN lifetime IS NULL
        THEN sess
        ELSE left(sess, -${CREATED_PLACEHOLDER.length}) || floor(${NOW_MS})::bigint || '}}'
      END::${layout.sess},
      ${expiry(layout, 'LEAST(duration, lifetime)', 'lim')}
    FROM unnest($1::varchar[], ${splitLines('$2')}, $3::float8[], $4::float8[], $5::float8[])
      AS c (sid, sess, duration, lim, lifetime)
    WHERE ${condition}
    ORDER BY sid
    ON CONFLICT (sid) DO UPDATE
      SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
      WHERE ${hasExpireType(layout, 't.expire')}
    RETURNING t.sid, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms, floor(${NOW_MS}) AS created_ms${further}`

export const insertValues = (calls: readonly Insert[]): unknown[] => [
  column(calls, 'sid'), // $1
  joinLines(calls), // $2 sess
  column(calls, 'durationMs'), // $3
  column(calls, 'limitMs'), // $4
  column(calls, 'lifetimeMs') // $5
]

export const inserted = (row: InsertedRow): Inserted =>
  ({ version: row.version, expireMs: row.expire_ms, createdMs: row.created_ms })

/**
 * Inserts new sessions; each replaces one of the same id. Rows are written in the order of their
 * ids, to avoid deadlocks.
 */
export const insert: BatchStatement<Insert, Inserted | undefined, InsertedRow & { sid: string }> = {
  maxCalls: MAX_WRITES,
  maxInFlight: MAX_WRITES_IN_FLIGHT,
  key: ({ sid }) => sid,
  writesSess: true,
  text: (layout) => insertText(layout),
  values: insertValues,
  outcome (rows, calls) {
    const bySid = new Map(rows.map((row) => [row.sid, inserted(row)]))
    return calls.map(({ sid }) => bySid.get(sid))
  }
}

/** A sign-in, with its event. */
export interface InsertRecorded extends Insert { events: readonly EventOf[] }

/** As `insert`, and records events. Their part is the stored id of the session. */
export const insertRecorded: BatchStatement<
  InsertRecorded, Inserted | undefined, InsertedRow & { sid: string, events: string | null }
> = {
  ...insert,
  text (layout) {
    const { subject, cte, events } = recording(layout, '$6', [
      'SELECT sid AS part, sid, event_user, event_role FROM new'
    ])
    return `
    WITH new AS (${insertText(layout, 'true', subject)}
    )${cte}
    SELECT new.sid, new.version, new.expire_ms, new.created_ms, ${events} AS events
    FROM new`
  },
  values: (calls) => [
    ...insertValues(calls), // $1 to $5
    eventsOf(calls.flatMap(({ events }) => events)) // $6
  ],
  recorded: ([row]) => recordedIn(row?.events)
}
