import { NOW, USER_SUB } from './expressions.js'
import { LIVE_ROW, type LiveRow } from './live-row.js'
import type { Statement, StoredIds } from './statement.js'

/** `user.sub` of a row: the indexed column, or an expression for a table that lacks the column. */
export type SubSource = 'user_sub' | typeof USER_SUB

/** The live rows of a user, the latest expiry first. */
export const listByUser = (
  table: string, subSource: SubSource
): Statement<string, LiveRow[], LiveRow> => ({
  isRead: true,
  text: `
    SELECT ${LIVE_ROW}
    FROM ${table} AS t
    WHERE ${subSource} = $1
      AND expire > ${NOW}
    ORDER BY expire DESC`,
  values: (sub) => [
    sub // $1
  ],
  outcome: (rows) => rows
})

export interface DestroyByUser {
  sub: string
  /** The stored ids of the session that stays. */
  except: StoredIds
}

/** Deletes the rows of a user and gives the number of live ones. */
export const destroyByUser = (
  table: string, subSource: SubSource
): Statement<DestroyByUser, number, { live: boolean }> => ({
  text: `
    DELETE FROM ${table}
    WHERE ${subSource} = $1
      AND sid <> ALL($2::varchar[])
    RETURNING expire > ${NOW} AS live`,
  values: ({ sub, except }) => [
    sub, // $1
    except // $2
  ],
  outcome: (rows) => rows.filter(({ live }) => live).length
})
