/**
 * Statements that end sessions. Each live one leaves a row that says why, as where the server ends them.
 *
 * @module
 */
import { insertEnds } from '../../sessions/statements/end-rows.js'
import { isLive } from '../../sessions/statements/expressions.js'
import type { Layout } from '../../sessions/statements/layout.js'
import type { Run } from '../database/database.js'
import { email, lowered } from './find.js'

/** How many sessions have ended, and how many rows are gone: expired ones are, too. */
export interface Ended { ended: number, removed: number }

/** @param where SQL, whose parameters begin with `$2`. */
const endWhere = (layout: Layout, where: string): string => `
    WITH gone AS (
      DELETE FROM ${layout.table}
      WHERE ${where}
      RETURNING sid, ${isLive(layout)} AS live
    ), told AS (${insertEnds(layout, '$1')}
    )
    SELECT
      count(*) FILTER (WHERE live)::int AS ended,
      count(*)::int AS removed
    FROM gone`

/** At most `maxRows` rows of a user. */
export const endByUser = (layout: Layout, user: string, reason: string | null, maxRows: number): Run => ({
  text: endWhere(layout, `sid = ANY(ARRAY(
        SELECT sid
        FROM ${layout.table}
        WHERE ${layout.user} = $2
        LIMIT $3
        FOR UPDATE
      ))`),
  values: [reason, user, maxRows]
})

export const endByIds = (layout: Layout, sids: readonly string[], reason: string): Run => ({
  text: endWhere(layout, 'sid = ANY($2::varchar[])'),
  values: [reason, sids]
})

/**
 * In capitals or not. Reads every row, and first looks for the address in its text, which is quicker than reading its
 * members. An address that is not plain ASCII may be written with escapes there.
 */
export const endByEmail = (layout: Layout, address: string, reason: string | null): Run => ({
  text: endWhere(layout, `${layout.user} IS NOT NULL
        AND (strpos(${lowered('sess::text')}, ${lowered('$2::text')}) > 0 OR $3)
        AND ${email(layout)} = lower($2::text)`),
  values: [reason, address, !/^[!#-[\]-~]*$/.test(address)]
})

export const countByUser = (layout: Layout, user: string): Run => ({
  text: `
    SELECT count(*)::int AS count
    FROM ${layout.table}
    WHERE ${layout.user} = $1`,
  values: [user]
})
