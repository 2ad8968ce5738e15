import type { EndReason } from '../../end-reason.js'
import type { Layout } from '../../sessions/statements/layout.js'
import type { LiveRow } from '../../sessions/statements/live-row.js'
import { publicId } from '../../sessions/user-session.js'
import { withDatabase, type CommandDatabase } from '../database/database.js'
import { CommandError, InterruptedError } from '../failure.js'
import { output } from '../output.js'
import type { Action, Options } from '../program.js'
import { progress } from '../progress.js'
import { confirm } from '../question.js'
import { checkedId, noSuchSession } from '../sessions.js'
import { countByUser, endByEmail, endByIds, endByUser, type Ended } from '../statements/end.js'
import { findSession } from '../statements/find.js'
import { isInteractive, type Terminal } from '../terminal.js'
import { counted } from '../words.js'

/** Sessions that one statement ends. */
const BATCH_ROWS = 1000

const REASON = 'ended_elsewhere' satisfies EndReason

/** `sessions revoke` */
export const revoke: Action = async (terminal, options, id) => {
  checkOne(options, id)
  const { user, email, json = false, yes = false } = options
  const whose = user === undefined ? `the e-mail address ${email ?? ''}` : `the user ${user}`
  // A script has said what it wants, and a session that has ended is a sign-in away.
  if (id === undefined && isInteractive(terminal)) await confirm(terminal, `End all sessions of ${whose}?`, yes)
  const ended = await withDatabase(terminal, async (database) => {
    const layout = await database.layout()
    if (id !== undefined) return revokeId(database, layout, id)
    if (email !== undefined) return sum(await database.run<Ended>(endByEmail(layout, email, REASON)))
    return revokeUser(terminal, database, layout, user ?? '')
  }, { isBatched: user !== undefined })
  output(terminal, json, { ended }, () => `${counted(ended, 'session')} ended\n`)
}

/** @throws {CommandError} */
function checkOne ({ user, email }: Options, id: string | undefined): void {
  const given = [id, user, email].filter((value) => value !== undefined && value !== '')
  if (given.length !== 1) throw new CommandError('name a session id, --user or --email: one of the three')
  if (id !== undefined) checkedId(id)
}

async function revokeId (database: CommandDatabase, layout: Layout, id: string): Promise<number> {
  const rows = await database.run<LiveRow>(findSession(layout, id))
  const sids = rows.map(({ sid }) => sid).filter((sid) => publicId(sid) === id)
  const ended = sids.length === 0 ? 0 : sum(await database.run<Ended>(endByIds(layout, sids, REASON)))
  if (ended === 0) throw noSuchSession()
  return ended
}

async function revokeUser (
  terminal: Terminal, database: CommandDatabase, layout: Layout, user: string
): Promise<number> {
  const batch = async () => {
    const statement = endByUser(layout, user, REASON, BATCH_ROWS)
    return layout.hasUserColumn ? database.runShort<Ended>(statement) : database.run<Ended>(statement)
  }
  const first = await batch()
  let ended = sum(first)
  if (removed(first) < BATCH_ROWS) return ended
  const [left] = await database.run<{ count: number }>(countByUser(layout, user))
  const bar = progress(terminal, 'Ending sessions', ended + (left?.count ?? 0))
  try {
    for (;;) {
      if (terminal.interrupted.aborted) {
        throw new InterruptedError(`interrupted: ${counted(ended, 'session')} ended, and the user has more`)
      }
      const rows = await batch()
      ended += sum(rows)
      bar.at(ended)
      if (removed(rows) < BATCH_ROWS) return ended
    }
  } finally {
    bar.end()
  }
}

const sum = ([row]: readonly Ended[]): number => row?.ended ?? 0
const removed = ([row]: readonly Ended[]): number => row?.removed ?? 0
