/**
 * `TEST_TABLE`: the kind of session table that the tests of the store run on.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createTable } from '../../src/sessions/statements/create-table.js'
import { rootUrl } from './root.js'

/** The layout that most schemas share, with other types. */
const columns = (sess: string, expire: string): string => `
  CREATE TABLE "session" (
    "sid" VARCHAR NOT NULL PRIMARY KEY,
    "sess" ${sess} NOT NULL,
    "expire" ${expire} NOT NULL
  );
  CREATE INDEX "IDX_session_expire" ON "session" ("expire")`

/** The table that docs/scaling.md describes. */
function documented (): string {
  const page = readFileSync(new URL('docs/scaling.md', rootUrl), 'utf8')
  const [, sql] = /^```sql\n(CREATE TABLE "session" \(.*?)^```$/ms.exec(page) ?? []
  if (sql === undefined) throw new Error('docs/scaling.md has no CREATE TABLE')
  return sql
}

const tables = {
  /** The store makes it. */
  'plain': () => '',
  'partitioned': documented,
  'inherited': () => `
    ${createTable({ tableName: 'session', schemaName: undefined, userColumn: 'user_sub', userPath: ['user', 'sub'] })};
    CREATE TABLE "session_child" (
      PRIMARY KEY ("sid")
    ) INHERITS ("session");
    CREATE INDEX "IDX_session_child_expire" ON "session_child" ("expire")`,
  'connect-pg-simple': () =>
    readFileSync(createRequire(import.meta.url).resolve('connect-pg-simple/table.sql'), 'utf8'),
  'jsonb': () => columns('JSONB', 'TIMESTAMP(6)'),
  'text': () => columns('TEXT', 'TIMESTAMP(6)'),
  'timestamptz': () => columns('JSON', 'TIMESTAMPTZ')
} satisfies Record<string, () => string>

export type TableKind = keyof typeof tables

export const tableKinds = Object.keys(tables) as TableKind[]

/** The kind of table of this run. */
export const testTable: TableKind = kindOf(process.env['TEST_TABLE'] ?? '')

function kindOf (name: string): TableKind {
  if (name === '') return 'plain'
  const kind = tableKinds.find((one) => one === name)
  if (kind === undefined) throw new Error(`TEST_TABLE: ${name} is none of ${tableKinds.join(', ')}`)
  return kind
}

/** Makes an empty table `session`. A plain one is left to the store. */
export async function makeTable (
  query: (sql: string) => Promise<unknown>, kind: TableKind = testTable
): Promise<void> {
  const sql = tables[kind]()
  if (sql !== '') await query(sql)
}
