import { fromNow, hasExpireType } from './expressions.js'
import type { Layout } from './layout.js'
import { endSidOf } from './stored-id.js'

/** How long it can be told why a session ended, in milliseconds. */
const END_MS = 3_600_000

/**
 * Inserts a row for each live row of `gone`, which a statement deletes: its `sess` holds the reason
 * and nothing else. None for a reason that is null, nor where the column `sid` is too short.
 *
 * @param reason SQL.
 */
export const insertEnds = (layout: Layout, reason: string): string => `
      INSERT INTO ${layout.table} AS t (sid, sess, expire)
      SELECT
        e.sid,
        json_build_object('ended', ${reason}::text)::${layout.sess},
        ${fromNow(layout, String(END_MS))}
      FROM (
        SELECT DISTINCT ${endSidOf('gone.sid')} AS sid
        FROM gone
        WHERE gone.live
      ) AS e
      WHERE ${reason}::text IS NOT NULL
        AND ${fits(layout)}
      ORDER BY e.sid
      ON CONFLICT (sid) DO UPDATE
        SET sess = EXCLUDED.sess, expire = EXCLUDED.expire
        WHERE ${hasExpireType(layout, 't.expire')}`

const fits = ({ sidLength }: Layout): string =>
  sidLength === null ? 'true' : `length(e.sid) <= ${sidLength}`
