import type { Layout } from '../../sessions/statements/layout.js'
import { END_PREFIX, endSid } from '../../sessions/statements/stored-id.js'
import { withDatabase, type CommandDatabase } from '../database/database.js'
import {
  deleteEvents, deleteMentions, eventTable, selectSessions, type EventTable
} from '../database/events.js'
import { InterruptedError } from '../failure.js'
import { output } from '../output.js'
import { mentionsOf, namesPerson, sessionsOf, type Mentions, type PersonRow } from '../person.js'
import type { Action } from '../program.js'
import { confirm } from '../question.js'
import { parsed } from '../sessions.js'
import { sweep } from '../sweep.js'
import type { Terminal } from '../terminal.js'
import { counted } from '../words.js'

/** Events that one statement removes. */
const BATCH_ROWS = 5000

/** `data erase` */
export const erase: Action = async (terminal, { json = false, yes = false, user = '' }) => {
  const question = `Remove every row that names the user ${user}?`
  await confirm(terminal, question, yes)
  const removed = await withDatabase(terminal, async (database) => {
    const layout = await database.layout()
    const rows = await database.run<PersonRow>(sessionsOf(layout, user))
    const trail = await eventTable(database)
    const mentions = mentionsOf({ sub: user, emails: emailsIn(rows) })
    const sessions = await eraseSessions(terminal, database, layout, { user, rows, trail, mentions })
    const events = trail === undefined ? null : await eraseEvents(terminal, database, trail, user, mentions)
    return { sessions, events }
  }, { isBatched: true })
  output(terminal, json, { sub: user, ...removed }, () => {
    const events = removed.events === null ? 'there is no audit trail' : `${counted(removed.events, 'event')} removed`
    return `${counted(removed.sessions, 'row')} of sessions and logins removed, ${events}\n`
  })
}

/** The addresses that the sessions of a person have. */
function emailsIn (rows: readonly PersonRow[]): string[] {
  const found = rows.map(({ sess }) => (parsed(sess)['user'] as { email?: unknown } | undefined)?.email)
  return [...new Set(found.filter((email) => typeof email === 'string' && email.includes('@')) as string[])]
}

interface Person {
  user: string
  rows: readonly PersonRow[]
  trail: EventTable | undefined
  mentions: Mentions
}

/** Their sessions and logins, what says why sessions ended, and rows of others that name the person. */
async function eraseSessions (
  terminal: Terminal, database: CommandDatabase, layout: Layout, { user, rows, trail, mentions }: Person
): Promise<number> {
  const selection = trail === undefined ? undefined : selectSessions(trail, user)
  const told = selection === undefined ? [] : await database.run<{ id: string | null }>(selection)
  const publicIds = told.flatMap(({ id }) => id === null ? [] : [Buffer.from(id, 'base64url').subarray(0, 16)])
  const stored = `substring(sid FROM ${END_PREFIX.length + 1})`
  const digest = (text: string): string => `substring(sha256(convert_to(${text}, 'UTF8')) FOR 16)`
  return sweep(terminal, database, {
    label: 'Removing rows',
    where: `${namesPerson(layout, '$3', '$4', '$5')}
      OR sid = ANY($6::varchar[])
      OR (sid LIKE '${END_PREFIX}%' AND ($7::bytea[] && ARRAY[${digest(`'h1.' || ${stored}`)}, ${digest(stored)}]))`,
    values: [user, ...mentions, rows.map(({ sid }) => endSid(sid)), publicIds]
  })
}

async function eraseEvents (
  terminal: Terminal, database: CommandDatabase, trail: EventTable, user: string, mentions: Mentions
): Promise<number> {
  const batch = deleteEvents(trail, user, BATCH_ROWS)
  let removed = 0
  while (batch !== undefined) {
    if (terminal.interrupted.aborted) {
      throw new InterruptedError(`interrupted: ${counted(removed, 'event')} removed, and there may be more`)
    }
    const [row] = await database.run<{ count: number }>(batch)
    removed += row?.count ?? 0
    if ((row?.count ?? 0) < BATCH_ROWS) break
  }
  if (mentions[0].length === 0) return removed
  const [row] = await database.run<{ count: number }>(deleteMentions(mentions))
  return removed + (row?.count ?? 0)
}
