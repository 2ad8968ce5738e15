import type { QueryResultRow } from 'pg'
import { Batch, type BatchOptions, type Done, type RunBatch } from './batch.js'
import type { Database } from './database.js'
import { destroyRun, extendRun, getRun, mergeRun } from './runs.js'
import { isDataError } from './sql-errors.js'
import { all } from './statements/all.js'
import { consumeByUser, destroyByUser, listByUser } from './statements/by-user.js'
import { clear } from './statements/clear.js'
import { consumeTelling } from './statements/consume-telling.js'
import { consume } from './statements/consume.js'
import { count } from './statements/count.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { ending } from './statements/ending.js'
import { get } from './statements/get.js'
import { insert } from './statements/insert.js'
import { ping } from './statements/ping.js'
import { prune } from './statements/prune.js'
import { replaceLimited } from './statements/replace-limited.js'
import { replaceShared } from './statements/replace-shared.js'
import { replace } from './statements/replace.js'
import { shared } from './statements/shared.js'
import type { BatchStatement, Statement } from './statements/statement.js'
import { swap } from './statements/swap.js'
import { touch } from './statements/touch.js'
import { update } from './statements/update.js'

/** Each member runs one statement on the session table. Those with a callback are batched. */
export type SessionTable = ReturnType<typeof sessionTable>

/**
 * The statements of the session table. Batched calls that come in together share a statement, and
 * calls for one row keep their order.
 *
 * All fail with ERR_DATABASE. `waitedMs` is how long a call has waited, and `beganMs` when it came
 * in, on the process's monotonic clock. The wait counts against its deadline.
 */
export function sessionTable (database: Database) {
  const single = <In, Out, Row extends QueryResultRow> (statement: Statement<In, Out, Row>) =>
    (input: In, waitedMs?: number): Promise<Out> => database.run(statement, input, waitedMs)

  const queued = <Call, Out> (
    options: Omit<BatchOptions<Call>, 'separable'>, run: RunBatch<Call, Out>
  ) => {
    const batch = new Batch(run, { ...options, separable: isDataError })
    return (call: Call, done: Done<Out>, beganMs?: number): void => { batch.add(call, done, beganMs) }
  }

  const batched = <Call, Out, Row extends QueryResultRow> (
    statement: BatchStatement<Call, Out, Row>
  ) => queued<Call, Out>(statement, (calls, waitedMs) => database.run(statement, calls, waitedMs))

  return {
    get: queued(get, getRun(database)),
    ending: batched(ending),
    insert: batched(insert),
    update: batched(update),
    touch: batched(touch),
    destroy: queued(destroyUnlocked, destroyRun(database)),
    merge: mergeRun(database),
    extend: extendRun(database),
    consume: single(consume),
    consumeTelling: single(consumeTelling),
    swap: single(swap),
    replace: single(replace),
    replaceLimited: single(replaceLimited),
    listByUser: single(listByUser),
    destroyByUser: single(destroyByUser),
    consumeByUser: single(consumeByUser),
    all: single(all),
    count: single(count),
    clear: single(clear),
    prune: single(prune),
    shared: single(shared),
    replaceShared: single(replaceShared),
    isWritable: single(ping)
  }
}
