/**
 * Calls that take more than one statement, or a choice of statements.
 *
 * @module
 */
import type { QueryResultRow } from 'pg'
import type { RunBatch } from './batch.js'
import type { Database } from './database.js'
import { stateOf, UNDEFINED_COLUMN } from './sql-errors.js'
import type { SubSource } from './statements/by-user.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { destroy } from './statements/destroy.js'
import { USER_SUB } from './statements/expressions.js'
import { get, getOne } from './statements/get.js'
import type { LiveRow } from './statements/live-row.js'
import { merge, type Merge, type Merged } from './statements/merge.js'
import type { Statement, StoredIds } from './statements/statement.js'

/** A lone call with one stored id has a statement of its own. */
export function getRun (database: Database): RunBatch<StoredIds, LiveRow | undefined> {
  const [many, one] = [get(database.table), getOne(database.table)]
  return (calls, waitedMs) => {
    const isOne = calls.length === 1 && calls[0]?.length === 1
    return database.run(isOne ? one : many, calls, waitedMs)
  }
}

/** Locked rows must not hold up the others: a batch leaves them out and waits for each later. */
export function destroyRun (database: Database): RunBatch<StoredIds, void> {
  const [unlocked, one] = [destroyUnlocked(database.table), destroy(database.table)]
  return async (calls, waitedMs) => {
    const beganMs = performance.now() - waitedMs
    const [first] = calls
    if (first !== undefined && calls.length === 1) return [await database.run(one, first, waitedMs)]
    const isLeft = await database.run(unlocked, calls, waitedMs)
    return calls.map((storedIds, index) => {
      if (isLeft[index] === true) return database.run(one, storedIds, performance.now() - beganMs)
      return undefined
    })
  }
}

/**
 * A row that moved to its current stored id while the statement waited for it is not found under
 * its legacy id. It is looked for once more.
 */
export function mergeRun (database: Database) {
  const statement = merge(database.table)
  return async (input: Merge, waitedMs: number): Promise<Merged> => {
    const beganMs = performance.now() - waitedMs
    const merged = await database.run(statement, input, waitedMs)
    if (merged !== undefined || input.storedIds.length === 1) return merged
    return database.run(statement, input, performance.now() - beganMs)
  }
}

/** A table that connect-pg-simple made lacks the column of the user. There, every row is read. */
export function userRun<In, Out, Row extends QueryResultRow> (
  database: Database, statement: (table: string, subSource: SubSource) => Statement<In, Out, Row>
) {
  const byColumn = statement(database.table, 'user_sub')
  const byExpression = statement(database.table, USER_SUB)
  return async (input: In): Promise<Out> => {
    const beganMs = performance.now()
    try {
      return await database.run(byColumn, input)
    } catch (error) {
      if (stateOf(error) !== UNDEFINED_COLUMN) throw error
      return database.run(byExpression, input, performance.now() - beganMs)
    }
  }
}
