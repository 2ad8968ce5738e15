import { isLive, now } from '../../sessions/statements/expressions.js'
import type { Layout } from '../../sessions/statements/layout.js'
import { END_PREFIX, isCounted } from '../../sessions/statements/stored-id.js'
import type { Run } from '../database/database.js'

export interface CountRow {
  total: string
  active: string
  signed_in: string
  started_logins: string
  other: string
  ended: string
  expired: string
  /** Expiry, in seconds since 1970; null without rows. */
  oldest: number | null
  newest: number | null
  /** In seconds. */
  longest_wait: number | null
}

/**
 * Counts the rows by kind, in one pass over the table, which PostgreSQL does in parallel, as it would not with
 * `GROUP BY`. A started login is told by a name in its text: members of `sess` would have to be parsed, and those of
 * some sessions cannot be.
 */
export function counts (layout: Layout): Run {
  const { table, user } = layout
  const live = isLive(layout)
  const guest = `${user} IS NULL AND ${live} AND ${isCounted()}`
  const isLogin = 'sess::text LIKE \'%"codeVerifier":%\''
  return {
    text: `
    SELECT
      count(*) AS total,
      count(*) FILTER (WHERE ${live} AND ${isCounted()}) AS active,
      count(*) FILTER (WHERE ${user} IS NOT NULL AND ${live}) AS signed_in,
      count(*) FILTER (WHERE ${guest} AND ${isLogin}) AS started_logins,
      count(*) FILTER (WHERE ${guest} AND sid NOT LIKE 'lease.%' AND NOT ${isLogin}) AS other,
      count(*) FILTER (WHERE ${user} IS NULL AND ${live} AND sid LIKE '${END_PREFIX}%') AS ended,
      count(*) FILTER (WHERE NOT (${live})) AS expired,
      date_part('epoch', min(expire) FILTER (WHERE ${isCounted()})) AS oldest,
      date_part('epoch', max(expire) FILTER (WHERE ${isCounted()})) AS newest,
      date_part('epoch', ${now(layout)} - min(expire) FILTER (WHERE NOT (${live}))) AS longest_wait
    FROM ${table}`
  }
}

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
