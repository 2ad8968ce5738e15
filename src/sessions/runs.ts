/**
 * Calls that take more than one statement, or a choice of statements.
 *
 * @module
 */
import type { QueryResultRow } from 'pg'
import type { RunBatch } from './batch.js'
import { reporting } from './channels.js'
import type { Database, Source } from './database.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { destroy } from './statements/destroy.js'
import { extend } from './statements/extend.js'
import { get, getOne } from './statements/get.js'
import type { LiveRow } from './statements/live-row.js'
import {
  insert, insertOne, insertOneRecorded, insertRecorded, type Insert, type Inserted, type InsertRecorded
} from './statements/insert.js'
import { merge, type Merge, type Merged } from './statements/merge.js'
import type { Statement, StoredIds, Written } from './statements/statement.js'
import type { Touch } from './statements/touch.js'
import { update, updateContent, type Update } from './statements/update.js'

/** A lone call with one stored id has a statement of its own. */
export function getRun (database: Database): RunBatch<StoredIds, LiveRow | undefined> {
  return (calls, waitedMs, callers) => {
    const isOne = calls.length === 1 && calls[0]?.length === 1
    return database.run(isOne ? getOne : get, calls, waitedMs, { call: 'get', callers })
  }
}

/** A lone call has a statement of its own. */
export function insertRun (database: Database): RunBatch<Insert, Inserted | undefined> {
  return (calls, waitedMs, callers) =>
    database.run(calls.length === 1 ? insertOne : insert, calls, waitedMs, { call: 'insert', callers })
}

/** The same with events. */
export function insertRecordedRun (database: Database): RunBatch<InsertRecorded, Inserted | undefined> {
  return (calls, waitedMs, callers) => database.run(
    calls.length === 1 ? insertOneRecorded : insertRecorded, calls, waitedMs, { call: 'insert', callers })
}

export function updateRun (database: Database): RunBatch<Update, Written | undefined> {
  return (calls, waitedMs, callers) => {
    const keepsExpiry = calls.every(({ durationMs }) => durationMs === null)
    return database.run(keepsExpiry ? updateContent : update, calls, waitedMs, { call: 'update', callers })
  }
}

/** Locked rows must not hold up the others: a batch leaves them out and waits for each later. */
export function destroyRun (database: Database): RunBatch<StoredIds, void> {
  return async (calls, waitedMs, callers) => {
    const beganMs = performance.now() - waitedMs
    const [first] = calls
    const source: Source = { call: 'destroy', callers }
    if (first !== undefined && calls.length === 1) return [await database.run(destroy, first, waitedMs, source)]
    const isLeft = await database.run(destroyUnlocked, calls, waitedMs, source)
    return calls.map((storedIds, index) => {
      if (isLeft[index] !== true) return undefined
      const own: Source = { call: 'destroy', callers: callers.slice(index, index + 1) }
      return database.run(destroy, storedIds, performance.now() - beganMs, own)
    })
  }
}

export const mergeRun = (database: Database): LockingRun<Merge, Merged> =>
  lockingRun(database, merge, { call: 'merge' })

export const extendRun = (database: Database): LockingRun<Touch, Written | undefined> =>
  lockingRun(database, extend, { call: 'extend' })

type LockingRun<In, Out> = (input: In, waitedMs: number) => Promise<Out>

/**
 * A row that moved to its current stored id while the statement waited for it is not found under
 * its legacy id. It is looked for once more.
 */
function lockingRun<In extends { storedIds: StoredIds }, Out, Row extends QueryResultRow> (
  database: Database, statement: Statement<In, Out, Row>, source: Source
): LockingRun<In, Out> {
  return (input, waitedMs) => reporting(database.store, source.call, async () => {
    const beganMs = performance.now() - waitedMs
    const outcome = await database.run(statement, input, waitedMs, source)
    if (outcome !== undefined || input.storedIds.length === 1) return outcome
    return database.run(statement, input, performance.now() - beganMs, source)
  }, waitedMs)
}
