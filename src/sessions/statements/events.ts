/**
 * The table of events, and the part of a statement that writes to it. What a statement does to
 * sessions and the rows that say so are committed together, or neither is.
 *
 * @module
 */
import { member, type Layout } from './layout.js'

/** What a caller says of something that happens. Texts are cut at {@link MAX_TEXT} characters. */
export interface AuthEvent {
  /** A word: `sign_in`, for example. */
  type: string
  /** Why, or an error code. */
  reason?: string | undefined
  /** Who did it. */
  actor?: string | undefined
  ip?: string | undefined
  device?: string | undefined
  requestId?: string | undefined
}

/** An event of no session: the caller says whose it is. */
export interface LooseEvent extends AuthEvent {
  user?: string | undefined
  role?: string | undefined
  /** The id by which `listByUser` names the session that it concerns. */
  session?: string | undefined
  /** How many of these happened. @default 1 */
  count?: number | undefined
}

/** A row of the table of events. */
export interface RecordedEvent {
  /** Grows with each event. */
  id: string
  /** When the statement began, on the database's clock, in ISO 8601. */
  at: string
  type: string
  /** The user. */
  sub: string | null
  role: string | null
  /** The id by which `listByUser` named the session. */
  session: string | null
  ip: string | null
  device: string | null
  actor: string | null
  reason: string | null
  requestId: string | null
  count: number
}

/** The session to which an event belongs: a part of the statement, or a stored id. */
export interface EventOf { part: string, event: AuthEvent }

/** A row as JSON, named as its columns. */
interface EventRow extends Omit<RecordedEvent, 'id' | 'requestId'> { id: number, request_id: string | null }

/** What a statement with events has in three places. */
export interface Recording {
  /** After the columns that the parts of the statement return. */
  subject: string
  /** After its other common table expressions. */
  cte: string
  /** The rows that were inserted: JSON, as text. */
  events: string
}

export const MAX_TEXT = 200

const COLUMNS = 'type, sub, role, session, ip, device, actor, reason, request_id, count'

/** The columns of the parameter that texts are taken from. */
const TEXTS = 'type text, ip text, device text, actor text, reason text, request_id text'

/**
 * The SQL that inserts events.
 *
 * @param parameter of the events: what {@link eventsOf} makes.
 * @param parts SELECTs of `part`, `sid`, `event_user` and `event_role` of sessions. One without a user is left out.
 */
export function recording (layout: Layout, parameter: string, parts: readonly string[]): Recording {
  return {
    subject: `, ${layout.user} AS event_user, ${member(layout, ['role'])} AS event_role`,
    cte: `, subjects AS (
      ${parts.join('\n      UNION ALL\n      ')}
    ), recorded AS (
      INSERT INTO ${layout.events ?? ''} (${COLUMNS})
      SELECT
        e.type, s.event_user, s.event_role, ${publicIdOf('s.sid')},
        e.ip, e.device, e.actor, e.reason, e.request_id, 1
      FROM subjects AS s
      JOIN json_to_recordset(${parameter}::json) AS e (part text, ${TEXTS}) USING (part)
      WHERE s.event_user IS NOT NULL
      RETURNING *
    )`,
    events: '(SELECT json_agg(recorded)::text FROM recorded)'
  }
}

/** The same id as `publicId` makes. */
const publicIdOf = (sid: string): string =>
  `left(translate(encode(sha256(convert_to(${sid}, 'UTF8')), 'base64'), '+/', '-_'), 22)`

/** SQL that inserts the events of a parameter that belong to no session. */
export const insertLoose = (layout: Layout, parameter: string): string => `
      INSERT INTO ${layout.events ?? ''} (${COLUMNS})
      SELECT e.type, e.sub, e.role, e.session, e.ip, e.device, e.actor, e.reason, e.request_id, e.count
      FROM json_to_recordset(${parameter}::json) AS e (sub text, role text, session text, count int, ${TEXTS})
      RETURNING *`

/** The parameter of {@link recording}. */
export const eventsOf = (events: readonly EventOf[]): string =>
  JSON.stringify(events.map(({ part, event }) => ({ part, ...texts(event) })))

/** The parameter of {@link insertLoose}. */
export const looseEvents = (events: readonly LooseEvent[]): string =>
  JSON.stringify(events.map((event) => ({
    ...texts(event),
    sub: clean(event.user),
    role: clean(event.role),
    session: clean(event.session),
    count: event.count ?? 1
  })))

const texts = ({ type, reason, actor, ip, device, requestId }: AuthEvent) => ({
  type: clean(type),
  reason: clean(reason),
  actor: clean(actor),
  ip: clean(ip),
  device: clean(device),
  request_id: clean(requestId)
})

/** PostgreSQL takes neither NUL nor half a surrogate pair, and a log line has no line break. */
const clean = (text: string | undefined): string | undefined =>
  text?.slice(0, MAX_TEXT).replaceAll(/[\p{Cc}\p{Cs}]/gu, '')

/** The events that a statement has inserted. */
export function recordedIn (json: string | null | undefined): RecordedEvent[] {
  if (json === null || json === undefined) return []
  return (JSON.parse(json) as EventRow[]).map(({ request_id: requestId, ...row }) => ({
    id: String(row.id),
    at: new Date(row.at).toISOString(),
    type: row.type,
    sub: row.sub,
    role: row.role,
    session: row.session,
    ip: row.ip,
    device: row.device,
    actor: row.actor,
    reason: row.reason,
    requestId,
    count: row.count
  }))
}
