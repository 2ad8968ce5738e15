import { escapeIdentifier, escapeLiteral } from 'pg'

/** Types of the column `sess`; `text` stands for all character types. */
export type SessType = 'json' | 'jsonb' | 'text'

/** Types of the column `expire`, of any precision. */
export type ExpireType = 'timestamp' | 'timestamptz'

/** How the session table is laid out, as far as statements depend on it. */
export interface Layout {
  /** The quoted name of the table. */
  readonly table: string
  /** The longest stored id, in characters; null: unlimited. */
  readonly sidLength: number | null
  readonly sess: SessType
  readonly expire: ExpireType
  /** Whether rows are in partitions. A table that others inherit from has none. */
  readonly isPartitioned: boolean
  /** SQL for the user of a row: a column, or an expression that reads `sess`. */
  readonly user: string
  /** Whether `user` is a column. Otherwise every row is read. */
  readonly hasUserColumn: boolean
  /** Whether an index begins with `expire`. Otherwise pruning reads every row. */
  readonly hasExpireIndex: boolean
  /** The quoted name of the table of events, where events are recorded. */
  readonly events?: string
  /** Whether what ends a session is committed only when the synchronous standby has applied it. Default false. */
  readonly waitsForStandby?: boolean
}

/** The quoted name of the table. */
export const quoteTable = (tableName: string, schemaName?: string): string =>
  (schemaName === undefined ? '' : `${escapeIdentifier(schemaName)}.`) + escapeIdentifier(tableName)

/** A path of keys in `sess`, the last one as text. */
export function member ({ sess }: Pick<Layout, 'sess'>, path: readonly string[]): string {
  const keys = path.map((key) => escapeLiteral(key))
  const last = keys.pop() ?? ''
  return [`(${READABLE[sess]})`, ...keys.map((key) => `-> ${key}`), `->> ${last}`].join(' ')
}

/**
 * The escapes that PostgreSQL stores as `json` but cannot read as text (SQLSTATE 22P05), and blanks for them. After
 * an odd number of backslashes, `u` begins an escape; after an even number, it is a letter.
 */
const UNREADABLE = String.raw`'(?<!\\)((\\\\)*)\\u(0000|[dD][89a-fA-F][\da-fA-F]{2})', '\1\\u0020', 'g'`

/**
 * `sess` with its members readable. PostgreSQL stores the escapes \u0000 and \ud800 to \udfff as
 * `json`, but cannot read members of a value that holds them (SQLSTATE 22P05). `jsonb` does not
 * store them. A text that is no object has no members.
 *
 * @see {@link https://www.postgresql.org/docs/current/datatype-json.html}
 */
const READABLE: Readonly<Record<SessType, string>> = {
  json: `CASE WHEN strpos(sess::text, '\\u') = 0
    THEN sess
    ELSE regexp_replace(sess::text, ${UNREADABLE})::json
  END`,
  jsonb: 'sess',
  text: `CASE WHEN sess ~ '^\\s*\\{.*\\}\\s*$'
    THEN regexp_replace(sess, ${UNREADABLE})::json
  END`
}
