import { createHash } from 'node:crypto'
import { liveSess, type ConsumedRow } from './consume.js'
import { insertEnds } from './end-rows.js'
import { recordedIn, recording, type Recording } from './events.js'
import { createdMs, endsDurably, isLive, isLiveBySid, USER_LOCK_SPACE } from './expressions.js'
import {
  inserted, insertText, insertValues, type Inserted, type InsertedRow
} from './insert.js'
import { member, type Layout } from './layout.js'
import { NOT_RECORDED, withEvents } from './recorded.js'
import { REPLACED, STARTED, type Replace } from './replace.js'
import type { Statement } from './statement.js'

/** How many sessions a user may have. */
export interface Limit {
  user: string
  /** At least 1. */
  max: number
  /** Which sessions count: those with one of these values of `role`, or those with any other. */
  roles: { only: readonly string[] } | { except: readonly string[] }
  /** What `endReason` tells of the oldest sessions, which end. Null: a session beyond `max` is refused. */
  reason: string | null
}

export interface ReplaceLimited extends Replace { limit: Limit }

export interface Limited {
  /** Undefined: refused, and nothing was changed. */
  written: Inserted | undefined
  /** `sess` of each former session; undefined for one that was not live. */
  ended: (string | undefined)[]
  /** The sessions that ended because of the limit. */
  surplus: ConsumedRow[]
}

interface Row extends InsertedRow, ConsumedRow { kind: 'new' | 'former' | 'surplus' | 'gone' | 'events' }

/** Holds unless the session is refused. */
const UNLESS_REFUSED = '$10::text IS NOT NULL OR NOT EXISTS (SELECT FROM surplus)'

const text = (layout: Layout, events = NOT_RECORDED): string => `
    WITH surplus AS MATERIALIZED (
      SELECT t.sid
      FROM ${layout.table} AS t
      WHERE ${layout.user} = $6
        AND ${isLive(layout)}
        AND sid <> ALL($5::varchar[])
        AND (COALESCE(${member(layout, ['role'])}, '') = ANY($7::text[])) = $8::boolean
      ORDER BY ${createdMs(layout)} DESC NULLS LAST, expire DESC, sid
      OFFSET $9::bigint
    ), former AS (
      DELETE FROM ${layout.table}
      WHERE sid = ANY($5::varchar[])
        AND ($10::text IS NOT NULL OR NOT EXISTS (SELECT FROM surplus))
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLiveBySid(layout)} AS live${events.subject}
    ), gone AS (
      DELETE FROM ${layout.table}
      WHERE sid IN (SELECT sid FROM surplus)
        AND $10::text IS NOT NULL
        AND ${endsDurably(layout)}
      RETURNING sid, sess::text AS sess, ${isLiveBySid(layout)} AS live${events.subject}
    ), told AS (${insertEnds(layout, '$10')}
    ), new AS (${insertText(layout, { condition: UNLESS_REFUSED, further: events.subject })}
    )${events.cte}
    SELECT
      'new' AS kind, version, expire_ms, created_ms,
      NULL::text AS sid, NULL::text AS sess, NULL::boolean AS live
    FROM new
    UNION ALL
    SELECT 'former', NULL, NULL, NULL, sid, sess, live
    FROM former
    UNION ALL
    SELECT 'surplus', NULL, NULL, NULL, sid, NULL, NULL
    FROM surplus
    UNION ALL
    SELECT 'gone', NULL, NULL, NULL, sid, sess, live
    FROM gone${eventsRow(events)}`

const eventsRow = ({ events }: Recording): string => events === ''
  ? ''
  : `
    UNION ALL
    SELECT 'events', NULL, NULL, NULL, NULL, ${events}, NULL`

/**
 * Inserts one session, deletes others, and deletes the user's oldest ones beyond the limit, or inserts
 * and deletes nothing. Those of one user wait for each other.
 */
export const replaceLimited: Statement<ReplaceLimited, Limited, Row> = {
  writesSess: true,
  locks: ({ limit }) =>
    `SELECT pg_advisory_xact_lock(${USER_LOCK_SPACE}, ${hashOf(limit.user)})`,
  text: (layout) => text(layout),
  values: ({ insert, former, limit: { user, max, roles, reason } }) => [
    ...insertValues(insert), // $1 to $4
    former.flat(), // $5 stored ids of the former sessions
    user, // $6
    'only' in roles ? roles.only : roles.except, // $7
    'only' in roles, // $8
    max - 1, // $9 how many other sessions may stay
    reason // $10
  ],
  // A row whose stored id changed meanwhile is still there under its new one.
  isStale: (rows) => has(rows, 'new').length > 0 && has(rows, 'surplus').length > has(rows, 'gone').length,
  outcome (rows, { former }) {
    const [row] = has(rows, 'new')
    const formerRows = has(rows, 'former')
    return {
      written: row === undefined ? undefined : inserted(row),
      ended: former.map((storedIds) => liveSess(formerRows, storedIds)),
      surplus: has(rows, 'gone').filter(({ live }) => live)
    }
  }
}

const SURPLUS = 'SELECT \'surplus\' AS part, sid, event_user, event_role FROM gone WHERE live'

/** As `replaceLimited`, and records events. Their parts are `started`, `replaced` and `surplus`. */
export const replaceLimitedRecorded: ReturnType<typeof withEvents<ReplaceLimited, Limited, Row>> = {
  ...withEvents(replaceLimited, (layout) => text(layout, recording(layout, '$11', [STARTED, REPLACED, SURPLUS]))),
  recorded: (rows) => recordedIn(has(rows, 'events')[0]?.sess)
}

const has = (rows: readonly Row[], wanted: Row['kind']): Row[] => rows.filter(({ kind }) => kind === wanted)

/** A hash that fits a key of an advisory lock. Users who share one only wait for each other. */
const hashOf = (user: string): number => createHash('sha256').update(user).digest().readInt32BE()
