import type { LiveRow } from '../../sessions/statements/live-row.js'
import { withDatabase } from '../database/database.js'
import { lifetimes } from '../environment.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { checkedId, detailsOf, noSuchSession, type SessionDetails } from '../sessions.js'
import { findSession } from '../statements/find.js'
import { pairs } from '../table.js'
import { bytesOf } from '../words.js'

/** `sessions show` */
export const show: Action = async (terminal, { json = false }, id = '') => {
  const times = lifetimes(terminal.env)
  checkedId(id)
  const rows = await withDatabase(terminal, async (database) =>
    database.run<LiveRow>(findSession(await database.layout(), id)))
  const found = rows.map((row) => detailsOf(row, times)).find((details) => details.id === id)
  if (found === undefined) throw noSuchSession()
  output(terminal, json, found, () => text(found))
}

const text = (details: SessionDetails): string => pairs([
  ['id', details.id],
  ['sub', details.sub],
  ['e-mail', details.email ?? '-'],
  ...Object.entries(details.user)
    .filter(([name]) => !['sub', 'email'].includes(name))
    .map(([name, value]) => [`user.${name}`, typeof value === 'string' ? value : JSON.stringify(value)] as const),
  ['role', details.role ?? '-'],
  ['roles', details.roles.map(String).join(', ') || '-'],
  ['signed in at Cognito', details.authTime ?? '-'],
  ['created', details.createdAt ?? '-'],
  ['last seen', details.lastSeenAt],
  ['expires', details.expiresAt],
  ['expires at the latest', details.absoluteExpiresAt ?? '-'],
  ['user agent', details.userAgent ?? '-'],
  ['ip', details.ip ?? '-'],
  ['refresh token', details.refreshToken ? 'kept, encrypted' : 'none'],
  ['access token', details.accessToken ? 'kept, encrypted' : 'none'],
  ['further data', details.data.join(', ') || '-'],
  ['size', bytesOf(details.bytes)]
])
