import type { QueryResultRow } from 'pg'
import { Batch, type BatchOptions, type Done, type RunBatch } from './batch.js'
import type { Database } from './database.js'
import { isDataError, stateOf, UNDEFINED_COLUMN } from './sql-errors.js'
import { all } from './statements/all.js'
import { destroyByUser, listByUser, type SubSource } from './statements/by-user.js'
import { clear } from './statements/clear.js'
import { consume } from './statements/consume.js'
import { count } from './statements/count.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { destroy } from './statements/destroy.js'
import { USER_SUB } from './statements/expressions.js'
import { get, getOne } from './statements/get.js'
import { insert } from './statements/insert.js'
import type { LiveRow } from './statements/live-row.js'
import { merge, type Merge, type Merged } from './statements/merge.js'
import { ping } from './statements/ping.js'
import { prune } from './statements/prune.js'
import { replace } from './statements/replace.js'
import type { BatchStatement, Statement, StoredIds } from './statements/statement.js'
import { touch } from './statements/touch.js'
import { update } from './statements/update.js'

/** Each member runs one statement on the session table. Those with a callback are batched. */
export type SessionTable = ReturnType<typeof sessionTable>

/**
 * The statements of the session table. Batched calls that come in together share a statement, and
 * calls for one row keep their order.
 *
 * All fail with ERR_DATABASE. `waitedMs` is how long a call has waited, which counts against its
 * deadline.
 */
export function sessionTable (database: Database) {
  const { table } = database

  const single = <In, Out, Row extends QueryResultRow> (statement: Statement<In, Out, Row>) =>
    async (input: In, waitedMs?: number): Promise<Out> => database.run(statement, input, waitedMs)

  const queued = <Call, Out> (
    options: Omit<BatchOptions<Call>, 'separable'>, run: RunBatch<Call, Out>
  ) => {
    const batch = new Batch(run, { ...options, separable: isDataError })
    return (call: Call, done: Done<Out>): void => { batch.add(call, done) }
  }

  const batched = <Call, Out, Row extends QueryResultRow> (
    statement: BatchStatement<Call, Out, Row>
  ) => queued<Call, Out>(statement, async (calls, waitedMs) => database.run(statement, calls, waitedMs))

  return {
    get: queued(get(table), runGet(database)),
    insert: batched(insert(table)),
    update: batched(update(table)),
    touch: batched(touch(table)),
    destroy: queued(destroyUnlocked(table), runDestroy(database)),
    merge: runMerge(database),
    consume: single(consume(table)),
    replace: single(replace(table)),
    listByUser: runByUser(database, listByUser),
    destroyByUser: runByUser(database, destroyByUser),
    all: single(all(table)),
    count: single(count(table)),
    clear: single(clear(table)),
    prune: single(prune(table)),
    isWritable: single(ping(table))
  }
}

function runGet (database: Database): RunBatch<StoredIds, LiveRow | undefined> {
  const [many, one] = [get(database.table), getOne(database.table)]
  return async (calls, waitedMs) =>
    database.run(calls.length === 1 && calls[0]?.length === 1 ? one : many, calls, waitedMs)
}

/**
 * Locked rows must not hold up the others: a batch leaves them out, and each is then waited for.
 */
function runDestroy (database: Database): RunBatch<StoredIds, void> {
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
function runMerge (database: Database) {
  const statement = merge(database.table)
  return async (input: Merge, waitedMs: number): Promise<Merged> => {
    const beganMs = performance.now() - waitedMs
    const merged = await database.run(statement, input, waitedMs)
    if (merged !== undefined || input.storedIds.length === 1) return merged
    return database.run(statement, input, performance.now() - beganMs)
  }
}

/** A table that connect-pg-simple made lacks the column of the user. There, every row is read. */
function runByUser<In, Out, Row extends QueryResultRow> (
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
