/**
 * The SQL of docs/operations.md, as tests run it.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import type { Client } from 'pg'
import { rootUrl } from './root.js'

export const operations = await readFile(new URL('docs/operations.md', rootUrl), 'utf8')

/** The `sql` blocks between the heading `from` and the next one of the same level or a higher one. */
export function blocks (from: string): string[] {
  const level = /^#+/.exec(from)?.[0].length ?? 0
  const start = operations.indexOf(`\n${from}\n`)
  if (start < 0) throw new Error(`no heading ${from}`)
  const rest = operations.slice(start + from.length + 2)
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'))
  return sqlBlocks(end < 0 ? rest : rest.slice(0, end))
}

export const sqlBlocks = (markdown: string): string[] =>
  [...markdown.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql = '']) => sql)

/** The only block with `part`: a test says which statement it means, and fails when there is none. */
export function one (list: string[], part: string): string {
  const found = list.filter((sql) => sql.includes(part))
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} blocks have ${part}`)
  return found[0]
}

/** Runs a block as psql does, each statement by itself: rows of the last one. */
export async function run (client: Client, sql: string): Promise<Record<string, unknown>[]> {
  let rows: Record<string, unknown>[] = []
  for (const statement of sql.split(/;\n/).filter((part) => part.trim() !== '')) {
    ({ rows } = await client.query<Record<string, unknown>>(statement))
  }
  return rows
}
