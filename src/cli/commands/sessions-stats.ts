import { withDatabase } from '../database/database.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { stats as statement, type StatsRow } from '../statements/stats.js'
import { pairs } from '../table.js'
import { bytesOf, durationOf, grouped, timeOf } from '../words.js'

/** The session table in figures. Times are ISO 8601, UTC. */
export interface SessionStats {
  /** Sessions, login transactions and leases that have not expired. */
  active: number
  signedIn: number
  startedLogins: number
  /** Not of this server. */
  other: number
  /** Rows that say why a session ended. */
  ended: number
  expired: number
  /** How long the oldest of these has waited to be pruned, in seconds. */
  longestWaitSeconds: number | null
  total: number
  oldestExpiry: string | null
  newestExpiry: string | null
  tableBytes: number
  indexBytes: number
  deadRows: number | null
}

/** `sessions stats` */
export const stats: Action = async (terminal, { json = false }) => {
  const [row] = await withDatabase(terminal, async (database) =>
    database.run<StatsRow>(statement(await database.layout())))
  if (row === undefined) return
  const found = statsOf(row)
  output(terminal, json, found, () => text(found))
}

function statsOf (row: StatsRow): SessionStats {
  return {
    active: Number(row.active),
    signedIn: Number(row.signed_in),
    startedLogins: Number(row.started_logins),
    other: Number(row.other),
    ended: Number(row.ended),
    expired: Number(row.expired),
    longestWaitSeconds: row.longest_wait === null ? null : Math.round(row.longest_wait),
    total: Number(row.total),
    oldestExpiry: row.oldest === null ? null : new Date(row.oldest * 1000).toISOString(),
    newestExpiry: row.newest === null ? null : new Date(row.newest * 1000).toISOString(),
    tableBytes: Number(row.table_bytes),
    indexBytes: Number(row.index_bytes),
    deadRows: row.dead_rows === null ? null : Number(row.dead_rows)
  }
}

const text = (found: SessionStats): string => pairs([
  ['active', grouped(found.active)],
  ['  signed in', grouped(found.signedIn)],
  ['  started logins', grouped(found.startedLogins)],
  ['  other', grouped(found.other)],
  ['why sessions ended', grouped(found.ended)],
  ['expired, not pruned yet', grouped(found.expired) + wait(found.longestWaitSeconds)],
  ['rows', grouped(found.total)],
  ['oldest expiry', time(found.oldestExpiry)],
  ['newest expiry', time(found.newestExpiry)],
  ['table', bytesOf(found.tableBytes)],
  ['indexes', bytesOf(found.indexBytes)],
  ['dead rows', found.deadRows === null ? 'unknown' : grouped(found.deadRows)]
])

const wait = (seconds: number | null): string => seconds === null ? '' : `, for up to ${durationOf(seconds)}`
const time = (iso: string | null): string => iso === null ? '-' : timeOf(Date.parse(iso))
