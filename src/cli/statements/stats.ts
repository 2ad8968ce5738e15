import { isLive, now } from '../../sessions/statements/expressions.js'
import type { Layout } from '../../sessions/statements/layout.js'
import { END_PREFIX, SHARED_PREFIX } from '../../sessions/statements/stored-id.js'
import type { Run } from '../database/database.js'

/** Kinds of rows, as {@link counts} numbers them. */
export const KINDS = [
  'ended', 'oldEnded', 'shared', 'expired', 'signedIn', 'startedLogin', 'lease', 'other'
] as const

export interface CountRow {
  kind: number
  rows: string
  /** Expiry, in seconds since 1970. */
  oldest: number
  newest: number
  now: number
}

/**
 * Counts the rows by kind, in one pass over the table. A started login is told by a name in its text: members of
 * `sess` would have to be parsed, and those of some sessions cannot be.
 */
export const counts = (layout: Layout): Run => ({
  text: `
    SELECT
      kind,
      count(*) AS rows,
      date_part('epoch', min(expire)) AS oldest,
      date_part('epoch', max(expire)) AS newest,
      date_part('epoch', ${now(layout)}) AS now
    FROM (
      SELECT
        expire,
        CASE
          WHEN sid LIKE '${END_PREFIX}%' THEN CASE WHEN ${isLive(layout)} THEN 0 ELSE 1 END
          WHEN sid LIKE '${SHARED_PREFIX}%' THEN 2
          WHEN NOT (${isLive(layout)}) THEN 3
          WHEN ${layout.user} IS NOT NULL THEN 4
          WHEN sess::text LIKE '%"codeVerifier":%' THEN 5
          WHEN sid LIKE 'lease.%' THEN 6
          ELSE 7
        END AS kind
      FROM ${layout.table}
    ) AS k
    GROUP BY kind`
})

export interface SizeRow {
  table_bytes: string
  index_bytes: string
  /** Null: the role may not see it. */
  dead_rows: string | null
}

/** The sizes of the table, or of its partitions together. */
export const sizes = ({ table }: Layout): Run => ({
  text: `
    SELECT
      sum(pg_table_size(relid)) AS table_bytes,
      sum(pg_indexes_size(relid)) AS index_bytes,
      sum(pg_stat_get_dead_tuples(relid)) AS dead_rows
    FROM (
      SELECT relid::oid FROM pg_partition_tree($1::text)
      UNION
      SELECT $1::text::regclass::oid
    ) AS p (relid)`,
  values: [table]
})
