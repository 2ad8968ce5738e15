import { withDatabase } from '../database/database.js'
import { CommandError } from '../failure.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { counts, sizes, type CountRow, type SizeRow } from '../statements/stats.js'
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
  const found = await withDatabase(terminal, async (database) => {
    const layout = await database.layout()
    const [row] = await database.run<CountRow>(counts(layout))
    const [size] = await database.run<SizeRow>(sizes(layout))
    if (row === undefined || size === undefined) throw new CommandError('the table cannot be counted')
    return statsOf(row, size)
  })
  output(terminal, json, found, () => text(found))
}

const statsOf = (row: CountRow, size: SizeRow): SessionStats => ({
  active: Number(row.active),
  signedIn: Number(row.signed_in),
  startedLogins: Number(row.started_logins),
  other: Number(row.other),
  ended: Number(row.ended),
  expired: Number(row.expired),
  longestWaitSeconds: row.longest_wait === null ? null : Math.round(row.longest_wait),
  total: Number(row.total),
  oldestExpiry: iso(row.oldest),
  newestExpiry: iso(row.newest),
  tableBytes: Number(size.table_bytes),
  indexBytes: Number(size.index_bytes),
  deadRows: size.dead_rows === null ? null : Number(size.dead_rows)
})

const iso = (seconds: number | null): string | null =>
  seconds === null ? null : new Date(seconds * 1000).toISOString()

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
