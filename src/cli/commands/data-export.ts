import { publicId } from '../../sessions/user-session.js'
import { withDatabase } from '../database/database.js'
import { eventTable, selectEvents, type AuthEvent } from '../database/events.js'
import { output } from '../output.js'
import { sessionsOf, stepUpsOf, withoutSecrets, type PersonRow } from '../person.js'
import type { Action } from '../program.js'
import { parsed } from '../sessions.js'

/** The longest audit trail of one person. */
const MAX_EVENTS = 10_000_000

/** `data export`: JSON with or without `--json`. */
export const exportData: Action = async (terminal, { user = '' }) => {
  const found = await withDatabase(terminal, async (database) => {
    const layout = await database.layout()
    const sessions = await database.run<PersonRow>(sessionsOf(layout, user))
    const logins = await database.run<PersonRow>(stepUpsOf(layout, user))
    const trail = await eventTable(database)
    const events = trail === undefined ? null : await database.run<AuthEvent>(selectEvents(trail, user, MAX_EVENTS))
    return {
      sub: user,
      exportedAt: new Date().toISOString(),
      sessions: sessions.map((row) => ({
        id: publicId(row.sid),
        live: row.live,
        createdAt: row.created_ms === null ? null : iso(row.created_ms),
        expiresAt: iso(row.expire_ms),
        session: withoutSecrets(parsed(row.sess))
      })),
      startedLogins: logins.map((row) => ({ expiresAt: iso(row.expire_ms), login: withoutSecrets(parsed(row.sess)) })),
      events
    }
  })
  output(terminal, true, found, () => '')
}

const iso = (ms: number): string => new Date(ms).toISOString()
