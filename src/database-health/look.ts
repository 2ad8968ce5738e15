import type { Client } from 'pg'

/** Of the role; all of them end a statement or transaction that stalls. */
const TIME_LIMITS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const

/** What a new connection sees. */
export interface Look {
  /** Differs between servers, and after a restart or promotion of the same one. */
  server: string
  /** The time limits that the role does not have. */
  missingLimits: string[]
  /** How far this process's clock is ahead of the server's, in milliseconds. */
  skewMs: number
}

interface Row { now_ms: number, server: string, missing: string[] }

/**
 * Any role may call these functions, on Amazon RDS, too; a timeline cannot be read everywhere. A server that is
 * promoted keeps its start time, and leaves recovery.
 */
const SQL = `
  SELECT
    date_part('epoch', clock_timestamp()) * 1000 AS now_ms,
    concat(date_part('epoch', pg_postmaster_start_time()), ' ', pg_is_in_recovery()) AS server,
    ARRAY(
      SELECT name
      FROM unnest($1::text[]) WITH ORDINALITY AS limits (name, n)
      WHERE current_setting(name) = '0'
      ORDER BY n
    ) AS missing`

/**
 * Looks at the server on a connection of its own, which it closes.
 *
 * @param client not connected yet, with limits on time.
 * @throws pg's error
 */
export async function look (client: Client): Promise<Look> {
  client.on('error', () => {})
  try {
    await client.connect()
    const [beganMs, began] = [performance.now(), Date.now()]
    const { rows: [row] } = await client.query<Row>(SQL, [TIME_LIMITS])
    if (row === undefined) throw new Error('no row')
    // In the middle of the round trip, whatever happened to this clock meanwhile.
    const nowMs = began + (performance.now() - beganMs) / 2
    return { server: row.server, missingLimits: row.missing, skewMs: nowMs - row.now_ms }
  } finally {
    client.end().catch(() => {})
  }
}
