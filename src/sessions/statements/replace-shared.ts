import { fromNow, hasExpired } from './expressions.js'
import { member } from './layout.js'
import { SHARED_KEY } from './shared.js'
import type { Statement } from './statement.js'

export interface ReplaceShared {
  sid: string
  /** The value that was read. Null: none, or a row without one. */
  from: string | null
  to: string
  durationMs: number
}

/** Writes a shared value if it is still the one that was read, or has expired. Tells whether it did. */
export const replaceShared: Statement<ReplaceShared, boolean, object> = {
  text: (layout) => `
    INSERT INTO ${layout.table} AS t (sid, sess, expire)
    VALUES ($1, json_build_object('${SHARED_KEY}', $2::text)::${layout.sess}, ${fromNow(layout, '$3')})
    ON CONFLICT (sid) DO UPDATE
      SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
      WHERE ${hasExpired(layout, 't.expire')}
        OR $4::text IS NOT DISTINCT FROM (
          SELECT ${member(layout, [SHARED_KEY])}
          FROM (SELECT t.sess) AS found (sess)
        )
    RETURNING 1`,
  values: ({ sid, from, to, durationMs }) => [
    sid, // $1
    to, // $2
    durationMs, // $3
    from // $4
  ],
  outcome: (rows) => rows.length > 0
}
