import { isLive, now } from '../../sessions/statements/expressions.js'
import type { Layout } from '../../sessions/statements/layout.js'
import { END_PREFIX, isCounted } from '../../sessions/statements/stored-id.js'
import type { Run } from '../database/database.js'

export interface StatsRow {
  total: string
  active: string
  signed_in: string
  started_logins: string
  other: string
  ended: string
  expired: string
  /** Seconds since 1970; null without rows. */
  oldest: number | null
  newest: number | null
  longest_wait: number | null
  table_bytes: string
  index_bytes: string
  dead_rows: string | null
}

/**
 * Counts the rows by kind, in one pass over the table. A started login is told by a name in its text: members of
 * `sess` would have to be parsed, and those of some sessions cannot be.
 */
export function stats (layout: Layout): Run {
  const live = `${isLive(layout)} AND ${isCounted()}`
  const isLogin = 'sess::text LIKE \'%"codeVerifier":%\''
  const isOwn = `(sid LIKE 'lease.%' OR ${isLogin})`
  return {
    text: `
    SELECT
      count(*) AS total,
      count(*) FILTER (WHERE ${live}) AS active,
      count(*) FILTER (WHERE ${live} AND ${layout.user} IS NOT NULL) AS signed_in,
      count(*) FILTER (WHERE ${live} AND ${layout.user} IS NULL AND ${isLogin}) AS started_logins,
      count(*) FILTER (WHERE ${live} AND ${layout.user} IS NULL AND NOT ${isOwn}) AS other,
      count(*) FILTER (WHERE ${isLive(layout)} AND sid LIKE '${END_PREFIX}%') AS ended,
      count(*) FILTER (WHERE NOT (${isLive(layout)})) AS expired,
      date_part('epoch', min(expire) FILTER (WHERE ${isCounted()})) AS oldest,
      date_part('epoch', max(expire) FILTER (WHERE ${isCounted()})) AS newest,
      date_part('epoch', ${now(layout)} - min(expire) FILTER (WHERE NOT (${isLive(layout)}))) AS longest_wait,
      ${sizeOf(layout, 'pg_table_size')} AS table_bytes,
      ${sizeOf(layout, 'pg_indexes_size')} AS index_bytes,
      (
        SELECT sum(n_dead_tup)
        FROM pg_stat_all_tables
        WHERE relid = '${layout.table}'::regclass
          OR relid IN (SELECT p.relid FROM pg_partition_tree('${layout.table}') AS p)
      ) AS dead_rows
    FROM ${layout.table}`
  }
}

/** The size of the table, or of its partitions together. */
const sizeOf = ({ table }: Layout, size: string): string =>
  `COALESCE((SELECT sum(${size}(p.relid)) FROM pg_partition_tree('${table}') AS p), ${size}('${table}'))`
