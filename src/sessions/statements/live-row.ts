import { EXPIRE_MS, NOW_MS, VERSION } from './expressions.js'

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
export const LIVE_ROW =
  `t.sid, ${VERSION}, t.sess::text AS sess, ${EXPIRE_MS} AS expire_ms, ${NOW_MS} AS now_ms`
