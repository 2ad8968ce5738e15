import { isLive } from './expressions.js'
import { LIVE_ROW, type LiveRow } from './live-row.js'
import type { Statement, StoredIds } from './statement.js'

/** The live rows of a user, the latest expiry first. */
export const listByUser: Statement<string, LiveRow[], LiveRow> = {
  isRead: true,
  text: (layout) => `
    SELECT ${LIVE_ROW}
    FROM ${layout.table} AS t
    WHERE ${layout.user} = $1
      AND ${isLive(layout)}
    ORDER BY expire DESC`,
  values: (user) => [
    user // $1
  ],
  outcome: (rows) => rows
}

export interface DestroyByUser {
  user: string
  /** The stored ids of the session that stays. */
  except: StoredIds
}

/** Deletes the rows of a user and gives the number of live ones. */
export const destroyByUser: Statement<DestroyByUser, number, { live: boolean }> = {
  text: (layout) => `
    DELETE FROM ${layout.table}
    WHERE ${layout.user} = $1
      AND sid <> ALL($2::varchar[])
    RETURNING ${isLive(layout)} AS live`,
  values: ({ user, except }) => [
    user, // $1
    except // $2
  ],
  outcome: (rows) => rows.filter(({ live }) => live).length
}
