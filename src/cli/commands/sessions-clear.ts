import { createdMs, isLive, NOW_MS } from '../../sessions/statements/expressions.js'
import type { Layout } from '../../sessions/statements/layout.js'
import { isCounted, SHARED_PREFIX } from '../../sessions/statements/stored-id.js'
import { withDatabase, type CommandDatabase } from '../database/database.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { confirm } from '../question.js'
import { sweep } from '../sweep.js'
import { counted, durationOf } from '../words.js'

/** `sessions clear` */
export const clear: Action = async (terminal, { json = false, yes = false, olderThan }) => {
  const removed = await withDatabase(terminal, async (database) => {
    const layout = await database.layout()
    if (!yes) await confirm(terminal, await question(database, layout, olderThan), yes)
    const beganMs = await nowMs(database)
    const beforeMs = beganMs - (olderThan ?? 0)
    const isOld = `${createdMs(layout)} <= $3`
    const all = `sid NOT LIKE '${SHARED_PREFIX}%'`
    const swept = await sweep(terminal, database, olderThan === undefined
      ? { label: 'Ending all sessions', where: all, values: [] }
      : { label: 'Ending older sessions', where: isOld, values: [beforeMs] })
    // A session that got another stored id meanwhile may have moved behind the sweep.
    const [rest] = await database.run<{ count: number }>({
      text: `
        WITH gone AS (DELETE FROM ${layout.table} WHERE ${createdMs(layout)} <= $1 RETURNING 1)
        SELECT count(*)::int AS count FROM gone`,
      values: [beforeMs]
    })
    return swept + (rest?.count ?? 0)
  }, { isBatched: true })
  output(terminal, json, { removed }, () => `${counted(removed, 'row')} removed\n`)
}

async function question (
  database: CommandDatabase, layout: Layout, olderThan: number | undefined
): Promise<string> {
  const isOld = olderThan === undefined ? '' : `AND ${createdMs(layout)} <= ${NOW_MS} - $1`
  const [row] = await database.run<{ name: string, count: number }>({
    text: `
      SELECT current_database() AS name, count(*)::int AS count
      FROM ${layout.table}
      WHERE ${isLive(layout)}
        AND ${isCounted()}
        ${isOld}`,
    values: olderThan === undefined ? [] : [olderThan]
  })
  const { name = '', count = 0 } = row ?? {}
  const what = olderThan === undefined
    ? `all ${counted(count, 'session')} and started logins`
    : `${counted(count, 'session')} that began more than ${durationOf(olderThan / 1000)} ago`
  return `End ${what} in the database ${name}?`
}

async function nowMs (database: CommandDatabase): Promise<number> {
  const [row] = await database.run<{ now: number }>({ text: `SELECT ${NOW_MS} AS now` })
  return row?.now ?? 0
}
