/**
 * Calls that take more than one statement, or a choice of statements.
 *
 * @module
 */
import type { QueryResultRow } from 'pg'
import type { RunBatch } from './batch.js'
import type { Database } from './database.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { destroy } from './statements/destroy.js'
import { extend } from './statements/extend.js'
import { get, getOne } from './statements/get.js'
import type { LiveRow } from './statements/live-row.js'
import { merge, type Merge, type Merged } from './statements/merge.js'
import type { Statement, StoredIds, Written } from './statements/statement.js'
import type { Touch } from './statements/touch.js'

/** A lone call with one stored id has a statement of its own. */
export function getRun (database: Database): RunBatch<StoredIds, LiveRow | undefined> {
  return (calls, waitedMs) => {
    const isOne = calls.length === 1 && calls[0]?.length === 1
    return database.run(isOne ? getOne : get, calls, waitedMs)
  }
}

/** Locked rows must not hold up the others: a batch leaves them out and waits for each later. */
export function destroyRun (database: Database): RunBatch<StoredIds, void> {
  return async (calls, waitedMs) => {
    const beganMs = performance.now() - waitedMs
    const [first] = calls
    if (first !== undefined && calls.length === 1) return [await database.run(destroy, first, waitedMs)]
    const isLeft = await database.run(destroyUnlocked, calls, waitedMs)
    return calls.map((storedIds, index) => {
      if (isLeft[index] === true) return database.run(destroy, storedIds, performance.now() - beganMs)
      return undefined
    })
  }
}

export const mergeRun = (database: Database): LockingRun<Merge, Merged> => lockingRun(database, merge)

export const extendRun = (database: Database): LockingRun<Touch, Written | undefined> =>
  lockingRun(database, extend)

type LockingRun<In, Out> = (input: In, waitedMs: number) => Promise<Out>

/**
 * A row that moved to its current stored id while the statement waited for it is not found under
 * its legacy id. It is looked for once more.
 */
function lockingRun<In extends { storedIds: StoredIds }, Out, Row extends QueryResultRow> (
  database: Database, statement: Statement<In, Out, Row>
): LockingRun<In, Out> {
  return async (input, waitedMs) => {
    const beganMs = performance.now() - waitedMs
    const outcome = await database.run(statement, input, waitedMs)
    if (outcome !== undefined || input.storedIds.length === 1) return outcome
    return database.run(statement, input, performance.now() - beganMs)
  }
}
