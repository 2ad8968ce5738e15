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
import { update } from '../../../src/sessions/statements/update.js'
import type { Db, StoredRow } from './harness.js'

/** A statement of any type. */
interface AnyStatement { text: (layout: Layout) => string, values: (input: never) => unknown[] }

/** Of a table that the store makes. */
export const LAYOUT: Layout = {
  table: 'session', sidLength: null, sess: 'json', expire: 'timestamp',
  user: 'user_sub', hasUserColumn: true, hasExpireIndex: true
}

export interface Scan { table: string, how: string }

/**
 * Runs the statement. Gives the scans of its plan, without those that the planner or the executor
 * left out.
 */
export async function scans (
  db: Pick<Db, 'query'>, { text, values }: AnyStatement, input: unknown
): Promise<Scan[]> {
  const plan = await db.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text(LAYOUT)}`, values(input as never))
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

/** Every statement that names one session, in an order in which each finds the row. */
export function statementsFor (
  { sid, xmin: version, sess: base }: StoredRow
): Record<string, [AnyStatement, input: unknown]> {
  const storedIds = [sid]
  const sess = '{"cookie":{}}'
  const keptExpiry = { durationMs: null, limitMs: null }
  return {
    getOne: [getOne, [storedIds]],
    get: [get, [storedIds]],
    update: [update, [{ sid, version, sess, ...keptExpiry }]],
    merge: [merge, { storedIds, sess, base, ...keptExpiry }],
    touch: [touch, [{ storedIds, durationMs: 900_000, limitMs: null, lifetimeMs: null }]],
    destroy: [destroy, storedIds],
    consume: [consume, storedIds]
  }
}
