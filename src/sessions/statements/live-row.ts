import { EXPIRE_MS, READ_AT_PRIMARY, VERSION } from './expressions.js'

/**
 * A live row. `sess` is JSON text; the times are milliseconds since 1970 on the database's clock.
 */
export interface LiveRow {
  sid: string
  version: string
  sess: string
  expire_ms: number
  now_ms: number
}

/** The columns of a {@link LiveRow}, from the row `t`. */
export const LIVE_ROW = `t.sid, ${VERSION}, t.sess::text AS sess, ${EXPIRE_MS} AS expire_ms,
      date_part('epoch', ${READ_AT_PRIMARY}) * 1000 AS now_ms`
