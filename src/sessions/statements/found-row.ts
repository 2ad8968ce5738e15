import { isLiveBySid } from './expressions.js'
import type { Layout } from './layout.js'

/**
 * Selects one live row `t` by the stored ids in `$1`, the first of which counts, and locks it. Waits
 * while it is locked.
 *
 * @param columns SQL.
 */
export const foundRow = (layout: Layout, columns: string): string => `
      SELECT ${columns}
      FROM unnest($1::varchar[]) WITH ORDINALITY AS f (sid, rank)
      JOIN ${layout.table} AS t USING (sid)
      WHERE ${isLiveBySid(layout)}
      ORDER BY rank
      LIMIT 1
      FOR UPDATE OF t`
