/**
 * Rows of the session table, as commands look for them.
 *
 * @module
 */
import { isLive } from '../../sessions/statements/expressions.js'
import { member, type Layout } from '../../sessions/statements/layout.js'
import { LIVE_ROW } from '../../sessions/statements/live-row.js'
import type { Run } from '../database/database.js'

/** Live sessions of signed-in users, the latest expiry first. @param user of this one only. */
export const listSessions = (layout: Layout, limit: number, user: string | undefined): Run => ({
  text: `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE ${user === undefined ? `${layout.user} IS NOT NULL` : `${layout.user} = $2`}
      AND ${isLive(layout)}
    ORDER BY expire DESC
    LIMIT $1`,
  values: user === undefined ? [limit] : [limit, user]
})

/** The first 128 of the 132 bits of a public id, computed from a stored id: reads every row. */
const PUBLIC_ID = 'substring(sha256(convert_to(sid, \'UTF8\')) FOR 16)'

/** The live session of a public id. */
export const findSession = (layout: Layout, id: string): Run => ({
  text: `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE ${PUBLIC_ID} = $1
      AND ${layout.user} IS NOT NULL
      AND ${isLive(layout)}`,
  values: [Buffer.from(id, 'base64url').subarray(0, 16)]
})

/** SQL: a text with its ASCII capitals in lower case, without the cost of a language's rules. */
export const lowered = (text: string): string => `lower(${text} COLLATE "C")`

/** The e-mail address of a row, in lower case. */
export const email = (layout: Layout): string =>
  `lower(${member(layout, ['user', 'email'])})`
