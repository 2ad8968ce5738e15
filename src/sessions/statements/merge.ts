import { EXPIRE_MS, NEW_VERSION, newExpiry, newSid } from './expressions.js'
import { foundRow } from './found-row.js'
import type { Layout } from './layout.js'
import type { Statement, StoredIds, Written } from './statement.js'

export interface Merge {
  storedIds: StoredIds
  /** JSON that is written if the row still holds `base`. */
  sess: string
  base: string
  /** Null keeps the expiry. */
  durationMs: number | null
  /** The latest expiry, or null. */
  limitMs: number | null
}

/** Written; or what the row holds instead of `base`; or undefined, when the session is gone. */
export type Merged = Written | { current: string } | undefined

interface MergedRow { version: string, expire_ms: number | null, current: string }

/** Whether the row `t` holds this JSON. `jsonb` does not keep the text that was written. */
export const isBase = ({ sess }: Layout, base: string): string =>
  sess === 'jsonb' ? `t.sess = ${base}::text::jsonb` : `t.sess::text = ${base}::text`

const columns = (layout: Layout): string =>
  `t.sid, t.sess::text AS current, ${isBase(layout, '$5')} AS is_base`

/**
 * Writes one live row if it still holds `base`. Waits while the row is locked. The row gets the
 * current stored id.
 */
export const merge: Statement<Merge, Merged, MergedRow> = {
  writesSess: true,
  text: (layout) => `
    WITH found AS MATERIALIZED (${foundRow(layout, columns(layout))}
    ), written AS (
      UPDATE ${layout.table} AS t
      SET sess = $6::text::${layout.sess},
        expire = ${newExpiry(layout, '$3', '$4')},
        sid = ${newSid(layout, '$2::varchar')}
      FROM found
      WHERE t.sid = found.sid
        AND found.is_base
      RETURNING ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms
    )
    SELECT version, expire_ms, CASE WHEN expire_ms IS NULL THEN current END AS current
    FROM found
    LEFT JOIN written ON true`,
  values: ({ storedIds, sess, base, durationMs, limitMs }) => [
    storedIds, // $1
    storedIds[0], // $2 current stored id
    durationMs, // $3
    limitMs, // $4
    base, // $5
    sess // $6
  ],
  outcome ([row]) {
    if (row === undefined) return undefined
    const { version, expire_ms: expireMs, current } = row
    return expireMs === null ? { current } : { version, expireMs }
  }
}
