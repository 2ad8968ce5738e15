import { withDatabase } from '../database/database.js'
import { lifetimes } from '../environment.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { lineOfSession, type SessionLine } from '../sessions.js'
import { listSessions } from '../statements/find.js'
import type { LiveRow } from '../../sessions/statements/live-row.js'
import { table } from '../table.js'
import { counted, timeOf } from '../words.js'

/** `sessions list` */
export const list: Action = async (terminal, { json = false, user, limit = 100 }) => {
  const times = lifetimes(terminal.env)
  const rows = await withDatabase(terminal, async (database) =>
    database.run<LiveRow>(listSessions(await database.layout(), limit, user)))
  const lines = rows.map((row) => lineOfSession(row, times))
  output(terminal, json, lines, () => lines.length === 0 ? 'no sessions\n' : tableOf(lines) + more(lines, limit))
}

const COLUMNS = ['ID', 'SUB', 'E-MAIL', 'ROLE', 'CREATED', 'LAST SEEN', 'EXPIRES', 'IP'].map((heading) => ({ heading }))

const tableOf = (lines: readonly SessionLine[]): string => table(COLUMNS, lines.map((line) => [
  line.id, line.sub, line.email ?? '-', line.role ?? '-', time(line.createdAt), time(line.lastSeenAt),
  time(line.expiresAt), line.ip ?? '-'
]))

const time = (iso: string | null): string => iso === null ? '-' : timeOf(Date.parse(iso))

const more = (lines: readonly SessionLine[], limit: number): string =>
  lines.length < limit ? '' : `the first ${counted(limit, 'session')}: --limit shows more\n`
