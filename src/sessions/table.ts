import type { QueryResultRow } from 'pg'
import { Batch, type BatchOptions, type Done, type RunBatch } from './batch.js'
import { reported, reporting, type StoreCallName } from './channels.js'
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
import { sample } from './statements/sample.js'
import { shared } from './statements/shared.js'
import type { BatchStatement, Statement } from './statements/statement.js'
import { touch } from './statements/touch.js'
import { update } from './statements/update.js'

/** Calls that wait for their batch, and batches in flight. */
export interface Workload { waiting: number, inFlight: number }

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
  const single = <In, Out, Row extends QueryResultRow> (call: StoreCallName, statement: Statement<In, Out, Row>) => {
    const source = { call }
    return (input: In, waitedMs?: number): Promise<Out> =>
      reporting(database.store, call, () => database.run(statement, input, waitedMs, source), waitedMs)
  }

  const batches: Pick<Batch<unknown, unknown>, 'load'>[] = []
  const queued = <Call, Out> (
    name: StoreCallName, options: Omit<BatchOptions<Call>, 'separable'>, run: RunBatch<Call, Out>
  ) => {
    const batch = new Batch(run, { ...options, separable: isDataError })
    batches.push(batch)
    return (call: Call, done: Done<Out>, beganMs?: number): void => {
      batch.add(call, reported(database.store, name, done, beganMs), beganMs)
    }
  }

  const batched = <Call, Out, Row extends QueryResultRow> (
    call: StoreCallName, statement: BatchStatement<Call, Out, Row>
  ) => queued<Call, Out>(call, statement, (calls, waitedMs, callers) =>
    database.run(statement, calls, waitedMs, { call, callers }))

  return {
    get: queued('get', get, getRun(database)),
    ending: batched('endReason', ending),
    insert: batched('insert', insert),
    update: batched('update', update),
    touch: batched('touch', touch),
    destroy: queued('destroy', destroyUnlocked, destroyRun(database)),
    merge: mergeRun(database),
    extend: extendRun(database),
    consume: single('consume', consume),
    consumeTelling: single('consume', consumeTelling),
    replace: single('replace', replace),
    replaceLimited: single('replaceWithin', replaceLimited),
    listByUser: single('listByUser', listByUser),
    destroyByUser: single('destroyByUser', destroyByUser),
    consumeByUser: single('consumeByUser', consumeByUser),
    all: single('all', all),
    count: single('length', count),
    clear: single('clear', clear),
    prune: single('prune', prune),
    sample: single('sample', sample),
    shared: single('sharedValue', shared),
    replaceShared: single('replaceSharedValue', replaceShared),
    isWritable: single('ping', ping),
    /** Over all batches. */
    load: (): Workload => batches.map(({ load }) => load).reduce((sum, { waiting, inFlight }) =>
      ({ waiting: sum.waiting + waiting, inFlight: sum.inFlight + inFlight }))
  }
}
