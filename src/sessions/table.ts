import type { QueryResultRow } from 'pg'
import { Batch, type BatchOptions, type Done, type RunBatch } from './batch.js'
import type { Database } from './database.js'
import { destroyRun, getRun, mergeRun, userRun } from './runs.js'
import { isDataError } from './sql-errors.js'
import { all } from './statements/all.js'
import { destroyByUser, listByUser } from './statements/by-user.js'
import { clear } from './statements/clear.js'
import { consume } from './statements/consume.js'
import { count } from './statements/count.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { get } from './statements/get.js'
import { insert } from './statements/insert.js'
import { ping } from './statements/ping.js'
import { prune } from './statements/prune.js'
import { replace } from './statements/replace.js'
import type { BatchStatement, Statement } from './statements/statement.js'
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
    (input: In, waitedMs?: number): Promise<Out> => database.run(statement, input, waitedMs)

  const queued = <Call, Out> (
    options: Omit<BatchOptions<Call>, 'separable'>, run: RunBatch<Call, Out>
  ) => {
    const batch = new Batch(run, { ...options, separable: isDataError })
    return (call: Call, done: Done<Out>): void => { batch.add(call, done) }
  }

  const batched = <Call, Out, Row extends QueryResultRow> (
    statement: BatchStatement<Call, Out, Row>
  ) => queued<Call, Out>(statement, (calls, waitedMs) => database.run(statement, calls, waitedMs))

  return {
    get: queued(get(table), getRun(database)),
    insert: batched(insert(table)),
    update: batched(update(table)),
    touch: batched(touch(table)),
    destroy: queued(destroyUnlocked(table), destroyRun(database)),
    merge: mergeRun(database),
    consume: single(consume(table)),
    replace: single(replace(table)),
    listByUser: userRun(database, listByUser),
    destroyByUser: userRun(database, destroyByUser),
    all: single(all(table)),
    count: single(count(table)),
    clear: single(clear(table)),
    prune: single(prune(table)),
    isWritable: single(ping(table))
  }
}
