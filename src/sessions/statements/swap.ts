import { EXPIRE_MS, isLive, NEW_VERSION } from './expressions.js'
import { isBase, type Merged } from './merge.js'
import type { Statement } from './statement.js'

export interface Swap {
  sid: string
  /** JSON that is written if the row still holds `base`. */
  sess: string
  base: string
}

interface SwappedRow { version: string | null, expire_ms: number, current: string | null }

/**
 * Writes one live row under its current stored id if it still holds `base`, and keeps its expiry. As `merge`, but
 * planned faster.
 */
export const swap: Statement<Swap, Merged, SwappedRow> = {
  writesSess: true,
  text: (layout) => `
    WITH written AS (
      UPDATE ${layout.table} AS t
      SET sess = $2::text::${layout.sess}
      WHERE t.sid = $1
        AND ${isLive(layout, 't.expire')}
        AND ${isBase(layout, '$3')}
      RETURNING ${NEW_VERSION}, ${EXPIRE_MS} AS expire_ms
    )
    SELECT version, expire_ms, NULL AS current
    FROM written
    UNION ALL
    SELECT NULL, NULL, t.sess::text
    FROM ${layout.table} AS t
    WHERE t.sid = $1
      AND ${isLive(layout, 't.expire')}
      AND NOT EXISTS (SELECT FROM written)`,
  values: ({ sid, sess, base }) => [
    sid, // $1
    sess, // $2
    base // $3
  ],
  outcome ([row]) {
    if (row === undefined) return undefined
    const { version, expire_ms: expireMs, current } = row
    return version === null ? { current: current ?? '' } : { version, expireMs }
  }
}
