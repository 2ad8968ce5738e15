import { fromNow, NOW } from './expressions.js'
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
export const acquireLease = (
  table: string
): Statement<AcquireLease, LeaseAnswer | undefined, LeaseAnswer> => ({
  text: `
    WITH mine AS (
      INSERT INTO ${table} AS t (sid, sess, expire)
      VALUES ($1, json_build_object('lease', $2::text), ${fromNow('$3')})
      ON CONFLICT (sid) DO UPDATE
        SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
        WHERE t.expire <= ${NOW}
      RETURNING 1
    )
    SELECT
      EXISTS (SELECT FROM mine) AS acquired,
      (SELECT sess ->> 'failed' FROM ${table} WHERE sid = $1 AND expire > ${NOW}) AS failed`,
  values: ({ sid, holder, durationMs }) => [
    sid, // $1
    holder, // $2
    durationMs // $3
  ],
  outcome: ([row]) => row
})
