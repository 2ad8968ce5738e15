import { CREATED_PLACEHOLDER } from './own-data.js'
import { eventsOf, recordedIn, recording, type EventOf } from './events.js'
import { EXPIRE_MS, fromNow, hasExpireType, NEW_VERSION, NOW_MS } from './expressions.js'
import type { Layout } from './layout.js'
import { joinLines, splitLines } from './lines.js'
import {
  column, MAX_WRITES, MAX_WRITES_IN_FLIGHT, type BatchStatement, type Written, type WrittenRow
} from './statement.js'

export interface Insert {
  sid: string
  /** JSON. With `hasCreated` it ends with {@link CREATED_PLACEHOLDER}. */
  sess: string
  /** The lifetime, counted from now. */
  durationMs: number
  /** Whether the time of creation is filled in. */
  hasCreated: boolean
}

export interface Inserted extends Written {
  /** When the row was written. */
  createdMs: number
}

export interface InsertedRow extends WrittenRow { created_ms: number }

/** SQL of the rows to insert: their columns, and what they come from. */
interface Rows { sid: string, start: string, duration: string, hasCreated: string, source: string }

/** One row, if a condition holds. PostgreSQL plans this in about two thirds of the time that {@link MANY} takes. */
const oneIf = (condition: string): Rows => ({
  sid: '$1::varchar',
  start: '$2::text',
  duration: '$3::float8',
  hasCreated: '$4::boolean',
  source: `WHERE ${condition}`
})

const ONE = oneIf('true')

const MANY: Rows = {
  sid: 'sid',
  start: 'start',
  duration: 'duration',
  hasCreated: 'has_created',
  source: `FROM unnest($1::varchar[], ${splitLines('$2')}, $3::float8[], $4::boolean[])
      AS c (sid, start, duration, has_created)
    ORDER BY sid`
}

/** What follows the time of creation. */
const CREATED_END = CREATED_PLACEHOLDER.slice(1)

const textOf = (layout: Layout, { sid, start, duration, hasCreated, source }: Rows, further = ''): string => `
    INSERT INTO ${layout.table} AS t (sid, sess, expire)
    SELECT
      ${sid},
      (${start} || CASE WHEN ${hasCreated}
        THEN floor(${NOW_MS})::bigint || '${CREATED_END}'
        ELSE ''
      END)::${layout.sess},
      ${fromNow(layout, duration)}
    ${source}
    ON CONFLICT (sid) DO UPDATE
      SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
      WHERE ${hasExpireType(layout, 't.expire')}
    RETURNING t.sid, ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms, floor(${NOW_MS}) AS created_ms${further}`

/**
 * The SQL that inserts one row.
 *
 * @param condition SQL that must hold, or nothing is inserted.
 * @param further columns that are returned as well.
 */
export const insertText = (layout: Layout, { condition = 'true', further = '' } = {}): string =>
  textOf(layout, oneIf(condition), further)

export const insertValues = (call: Insert): unknown[] => [
  call.sid, // $1
  startOf(call), // $2
  call.durationMs, // $3
  call.hasCreated // $4
]

const manyValues = (calls: readonly Insert[]): unknown[] => [
  column(calls, 'sid'), // $1
  joinLines(calls.map(startOf)), // $2
  column(calls, 'durationMs'), // $3
  column(calls, 'hasCreated') // $4
]

/** `sess` up to what the database fills in. */
const startOf = ({ sess, hasCreated }: Insert): string =>
  hasCreated ? sess.slice(0, -CREATED_PLACEHOLDER.length) : sess

export const inserted = (row: InsertedRow): Inserted =>
  ({ version: row.version, expireMs: row.expire_ms, createdMs: row.created_ms })

type InsertStatement = BatchStatement<Insert, Inserted | undefined, InsertedRow & { sid: string }>

/**
 * Inserts new sessions; each replaces one of the same id. Rows are written in the order of their
 * ids, to avoid deadlocks.
 */
export const insert: InsertStatement = {
  maxCalls: MAX_WRITES,
  maxInFlight: MAX_WRITES_IN_FLIGHT,
  key: ({ sid }) => sid,
  writesSess: true,
  text: (layout) => textOf(layout, MANY),
  values: manyValues,
  outcome (rows, calls) {
    const bySid = new Map(rows.map((row) => [row.sid, inserted(row)]))
    return calls.map(({ sid }) => bySid.get(sid))
  }
}

/** The same for one call. */
export const insertOne: InsertStatement = {
  ...insert,
  text: (layout) => insertText(layout),
  values: ([call]) => call === undefined ? [] : insertValues(call)
}

/** A sign-in, with its event. */
export interface InsertRecorded extends Insert { events: readonly EventOf[] }

type InsertRecordedStatement = BatchStatement<
  InsertRecorded, Inserted | undefined, InsertedRow & { sid: string, events: string | null }
>

/** As `insert`, and records events. Their part is the stored id of the session. */
export const insertRecorded: InsertRecordedStatement = {
  ...insert,
  text: (layout) => recordedText(layout, MANY),
  values: (calls) => [
    ...manyValues(calls), // $1 to $4
    eventsOf(calls.flatMap(({ events }) => events)) // $5
  ],
  recorded: ([row]) => recordedIn(row?.events)
}

/** The same for one call. */
export const insertOneRecorded: InsertRecordedStatement = {
  ...insertRecorded,
  text: (layout) => recordedText(layout, ONE),
  values: ([call]) => call === undefined
    ? []
    : [
        ...insertValues(call), // $1 to $4
        eventsOf(call.events) // $5
      ]
}

function recordedText (layout: Layout, rows: Rows): string {
  const { subject, cte, events } = recording(layout, '$5', [
    'SELECT sid AS part, sid, event_user, event_role FROM new'
  ])
  return `
    WITH new AS (${textOf(layout, rows, subject)}
    )${cte}
    SELECT new.sid, new.version, new.expire_ms, new.created_ms, ${events} AS events
    FROM new`
}
