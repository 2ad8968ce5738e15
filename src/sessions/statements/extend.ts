import { createdMs, EXPIRE_MS, expiry, NEW_VERSION, newSid } from './expressions.js'
import { foundRow } from './found-row.js'
import type { Statement, Written, WrittenRow } from './statement.js'
import type { Touch } from './touch.js'

/**
 * Moves the expiry of one live row, which gets the current stored id; undefined if there is none.
 * Waits while the row is locked.
 */
export const extend: Statement<Touch, Written | undefined, WrittenRow> = {
  text: (layout) => `
    WITH found AS MATERIALIZED (${foundRow(layout, `t.sid, ${createdMs(layout)} AS created_ms`)}
    )
    UPDATE ${layout.table} AS t
    SET expire = ${expiry(layout, '$3', 'COALESCE($4::float8, found.created_ms + $5::float8)')},
      sid = ${newSid(layout, '$2::varchar')}
    FROM found
    WHERE t.sid = found.sid
    RETURNING ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms`,
  values: ({ storedIds, durationMs, limitMs, lifetimeMs }) => [
    storedIds, // $1
    storedIds[0], // $2 current stored id
    durationMs, // $3
    limitMs, // $4
    lifetimeMs // $5
  ],
  outcome: ([row]) => row === undefined ? undefined : { version: row.version, expireMs: row.expire_ms }
}
