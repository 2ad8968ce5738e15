import { withDatabase } from '../database/database.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { counts, KINDS, sizes, type CountRow, type SizeRow } from '../statements/stats.js'
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
    const rows = await database.run<CountRow>(counts(layout))
    const [size] = await database.run<SizeRow>(sizes(layout))
    return statsOf(rows, size)
  })
  output(terminal, json, found, () => text(found))
}

type Kind = typeof KINDS[number]

function statsOf (rows: readonly CountRow[], size: SizeRow | undefined): SessionStats {
  const of = (...kinds: Kind[]) => rows.filter(({ kind }) => kinds.includes(KINDS[kind] ?? 'other'))
  const count = (...kinds: Kind[]) => of(...kinds).reduce((sum, { rows: more }) => sum + Number(more), 0)
  const sessions = of('expired', 'signedIn', 'startedLogin', 'lease', 'other')
  const waiting = of('expired', 'oldEnded').map(({ oldest, now }) => now - oldest)
  return {
    active: count('signedIn', 'startedLogin', 'lease', 'other'),
    signedIn: count('signedIn'),
    startedLogins: count('startedLogin'),
    other: count('other'),
    ended: count('ended'),
    expired: count('expired', 'oldEnded'),
    longestWaitSeconds: waiting.length === 0 ? null : Math.round(Math.max(...waiting)),
    total: count(...KINDS),
    oldestExpiry: iso(Math.min(...sessions.map(({ oldest }) => oldest))),
    newestExpiry: iso(Math.max(...sessions.map(({ newest }) => newest))),
    tableBytes: Number(size?.table_bytes ?? 0),
    indexBytes: Number(size?.index_bytes ?? 0),
    deadRows: size?.dead_rows === null || size === undefined ? null : Number(size.dead_rows)
  }
}

/** Null without rows, whose least and greatest are infinite. */
const iso = (seconds: number): string | null =>
  Number.isFinite(seconds) ? new Date(seconds * 1000).toISOString() : null

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
