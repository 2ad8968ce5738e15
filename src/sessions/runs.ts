/**
 * Calls that take more than one statement, or a choice of statements.
 *
 * @module
 */
import type { RunBatch } from './batch.js'
import type { Database } from './database.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { destroy } from './statements/destroy.js'
import { get, getOne } from './statements/get.js'
import type { LiveRow } from './statements/live-row.js'
import { merge, type Merge, type Merged } from './statements/merge.js'
import type { StoredIds } from './statements/statement.js'

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

/**
 * A row that moved to its current stored id while the statement waited for it is not found under
 * its legacy id. It is looked for once more.
 */
export function mergeRun (database: Database) {
  return async (input: Merge, waitedMs: number): Promise<Merged> => {
    const beganMs = performance.now() - waitedMs
    const merged = await database.run(merge, input, waitedMs)
    if (merged !== undefined || input.storedIds.length === 1) return merged
    return database.run(merge, input, performance.now() - beganMs)
  }
}
