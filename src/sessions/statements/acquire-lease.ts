import { fromNow, hasExpired, isLive } from './expressions.js'
import { member } from './layout.js'
import type { Statement } from './statement.js'

export interface AcquireLease { sid: string, holder: string, durationMs: number }

export interface LeaseAnswer {
  acquired: boolean
  /** The error code that the last holder left. */
  failed: string | null
}

/**
 * Acquires a lease that is free or has expired. `sess` of a lease is `{ lease, failed }`: its
 * holder and an error code.
 */
export const acquireLease: Statement<AcquireLease, LeaseAnswer | undefined, LeaseAnswer> = {
  text: (layout) => `
    WITH mine AS (
      INSERT INTO ${layout.table} AS t (sid, sess, expire)
      VALUES ($1, json_build_object('lease', $2::text)::${layout.sess}, ${fromNow(layout, '$3')})
      ON CONFLICT (sid) DO UPDATE
        SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
        WHERE ${hasExpired(layout, 't.expire')}
      RETURNING 1
    )
    SELECT
      EXISTS (SELECT FROM mine) AS acquired,
      (
        SELECT ${member(layout, ['failed'])}
        FROM ${layout.table}
        WHERE sid = $1
          AND ${isLive(layout)}
      ) AS failed`,
  values: ({ sid, holder, durationMs }) => [
    sid, // $1
    holder, // $2
    durationMs // $3
  ],
  outcome: ([row]) => row
}
