/**
 * Statements that end sessions. Each live one leaves a row that says why, as where the server ends them.
 *
 * @module
 */
import type { EndReason } from '../../end-reason.js'
import { insertEnds } from '../../sessions/statements/end-rows.js'
import { eventsOf, recording } from '../../sessions/statements/events.js'
import { isLive } from '../../sessions/statements/expressions.js'
import type { Layout } from '../../sessions/statements/layout.js'
import { NOT_RECORDED } from '../../sessions/statements/recorded.js'
import type { Run } from '../database/database.js'
import { email, lowered } from './find.js'

/** How many sessions have ended, and how many rows are gone: expired ones are, too. */
export interface Ended { ended: number, removed: number }

/** What the audit trail says of a session that an operator ended. */
const BY_OPERATOR = eventsOf([{
  part: 'gone', event: { type: 'ended', actor: 'operator', reason: 'ended_elsewhere' satisfies EndReason }
}])

/**
 * Each live session also leaves an event, if there is an audit trail and the end has a reason. Erasing data has none.
 *
 * @param where SQL, whose parameters begin with `$2`.
 * @param values of the parameters: first the reason.
 */
function endWhere (layout: Layout, where: string, values: readonly [reason: string | null, ...unknown[]]): Run {
  const isRecorded = layout.events !== undefined && values[0] !== null
  const events = isRecorded
    ? recording(layout, `$${values.length + 1}`, [
        'SELECT \'gone\' AS part, sid, event_user, event_role FROM gone WHERE live'
      ])
    : NOT_RECORDED
  return {
    text: `
    WITH gone AS (
      DELETE FROM ${layout.table}
      WHERE ${where}
      RETURNING sid, ${isLive(layout)} AS live${events.subject}
    ), told AS (${insertEnds(layout, '$1')}
    )${events.cte}
    SELECT
      count(*) FILTER (WHERE live)::int AS ended,
      count(*)::int AS removed
    FROM gone`,
    values: isRecorded ? [...values, BY_OPERATOR] : values
  }
}

/** At most `maxRows` rows of a user. */
export const endByUser = (layout: Layout, user: string, reason: string | null, maxRows: number): Run =>
  endWhere(layout, `sid = ANY(ARRAY(
        SELECT sid
        FROM ${layout.table}
        WHERE ${layout.user} = $2
        LIMIT $3
        FOR UPDATE
      ))`, [reason, user, maxRows])

export const endByIds = (layout: Layout, sids: readonly string[], reason: string): Run =>
  endWhere(layout, 'sid = ANY($2::varchar[])', [reason, sids])

/**
 * In capitals or not. Reads every row, and first looks for the address in its text, which is quicker than reading its
 * members. An address that is not plain ASCII may be written with escapes there.
 */
export const endByEmail = (layout: Layout, address: string, reason: string | null): Run =>
  endWhere(layout, `${layout.user} IS NOT NULL
        AND (strpos(${lowered('sess::text')}, ${lowered('$2::text')}) > 0 OR $3)
        AND ${email(layout)} = lower($2::text)`, [reason, address, !/^[!#-[\]-~]*$/.test(address)])

export const countByUser = (layout: Layout, user: string): Run => ({
  text: `
    SELECT count(*)::int AS count
    FROM ${layout.table}
    WHERE ${layout.user} = $1`,
  values: [user]
})
