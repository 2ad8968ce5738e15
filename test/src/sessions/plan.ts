/**
 * Which tables the store's statements read.
 *
 * @module
 */
import { consume } from '../../../src/sessions/statements/consume.js'
import { destroy } from '../../../src/sessions/statements/destroy.js'
import { get, getOne } from '../../../src/sessions/statements/get.js'
import type { Layout } from '../../../src/sessions/statements/layout.js'
import { merge } from '../../../src/sessions/statements/merge.js'
import { touch } from '../../../src/sessions/statements/touch.js'
import { update, updateContent } from '../../../src/sessions/statements/update.js'
import { rows, type Db, type StoredRow } from './harness.js'

/** A statement of any type. */
interface AnyStatement { text: (layout: Layout) => string, values: (input: never) => unknown[] }

/** Of a table that the store makes. */
export const LAYOUT: Layout = {
  table: 'session', isPartitioned: false, sidLength: null, sess: 'json', expire: 'timestamp',
  user: 'user_sub', hasUserColumn: true, hasExpireIndex: true
}

export interface Scan { table: string, how: string }

/**
 * Runs the statement. Gives the scans of its plan, without those that the planner or the executor
 * left out.
 */
export async function scans (
  db: Pick<Db, 'query'>, { text, values }: AnyStatement, input: unknown, layout = LAYOUT
): Promise<Scan[]> {
  const plan = await db.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text(layout)}`, values(input as never))
  const found: Scan[] = []
  const visit = (node: Record<string, unknown>) => {
    const { 'Relation Name': table, 'Node Type': type, 'Actual Loops': loops } = node
    if (typeof table === 'string' && type !== 'ModifyTable' && loops !== 0) {
      found.push({ table, how: String(type) })
    }
    for (const child of (node.Plans ?? []) as Record<string, unknown>[]) visit(child)
  }
  visit((plan[0]?.['QUERY PLAN'] as { Plan: Record<string, unknown> }[])[0]?.Plan as Record<string, unknown>)
  return found
}

/** The tables or partitions that are read. */
export const tablesOf = (found: Scan[]): string[] => [...new Set(found.map(({ table }) => table))].sort()

/** Calls `use` with every statement that names one session, and the row as it is then. */
export async function eachStatement (
  db: Db, id: string, use: (name: string, statement: AnyStatement, input: unknown) => Promise<void>
): Promise<void> {
  let row: StoredRow | undefined
  for (let index = 0; ; index++) {
    row = (await rows(db)).find(({ sid }) => sid === id) ?? row
    if (row === undefined) throw new Error(`there is no row ${id}`)
    const entry = Object.entries(statementsFor(row))[index]
    if (entry === undefined) return
    const [name, [statement, input]] = entry
    await use(name, statement, input)
  }
}

/** Those that delete the row come last. */
function statementsFor (
  { sid, xmin: version, sess: base }: StoredRow
): Record<string, [AnyStatement, input: unknown]> {
  const storedIds = [sid]
  const sess = '{"cookie":{}}'
  const keptExpiry = { durationMs: null, limitMs: null }
  return {
    getOne: [getOne, [storedIds]],
    get: [get, [storedIds]],
    update: [update, [{ sid, version, sess, durationMs: 900_000, limitMs: null }]],
    updateContent: [updateContent, [{ sid, version, sess, ...keptExpiry }]],
    merge: [merge, { storedIds, sess, base, ...keptExpiry }],
    touch: [touch, [{ storedIds, durationMs: 900_000, limitMs: null, lifetimeMs: null }]],
    destroy: [destroy, storedIds],
    consume: [consume, storedIds]
  }
}
