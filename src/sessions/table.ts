import type { QueryResultRow } from 'pg'
import { Batch, type BatchOptions, type Done, type RunBatch } from './batch.js'
import { CallCount } from './call-count.js'
import { reported, reporting, type StoreCallName } from './channels.js'
import type { Database } from './database.js'
import {
  destroyRun, extendRun, getRun, insertRecordedRun, insertRun, mergeRun, updateRun
} from './runs.js'
import { isDataError } from './sql-errors.js'
import { all } from './statements/all.js'
import {
  consumeByUser, consumeByUserRecorded, destroyByUser, destroyByUserRecorded, listByUser
} from './statements/by-user.js'
import { clear } from './statements/clear.js'
import { consumeStartedBefore, consumeStartedBeforeRecorded } from './statements/consume-started-before.js'
import { consumeRecorded, consumeTelling } from './statements/consume-telling.js'
import { consume } from './statements/consume.js'
import { count } from './statements/count.js'
import { destroyUnlocked } from './statements/destroy-unlocked.js'
import { ending } from './statements/ending.js'
import { get } from './statements/get.js'
import { insert, insertRecorded } from './statements/insert.js'
import { ping } from './statements/ping.js'
import { pruneEvents } from './statements/prune-events.js'
import { prune } from './statements/prune.js'
import { recordEvents } from './statements/record-events.js'
import { replaceLimited, replaceLimitedRecorded } from './statements/replace-limited.js'
import { replaceShared } from './statements/replace-shared.js'
import { replace, replaceRecorded } from './statements/replace.js'
import { sample } from './statements/sample.js'
import { shared } from './statements/shared.js'
import type { BatchStatement, Statement } from './statements/statement.js'
import { swap } from './statements/swap.js'
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
  const calls = new CallCount()

  const single = <In, Out, Row extends QueryResultRow> (call: StoreCallName, statement: Statement<In, Out, Row>) => {
    const source = { call }
    return (input: In, waitedMs?: number): Promise<Out> => {
      const beganMs = performance.now()
      calls.begin()
      const run = () => database.run(statement, input, waitedMs, source)
      return reporting(database.store, call, run, waitedMs).finally(() => { calls.end(beganMs) })
    }
  }

  const batches: Pick<Batch<unknown, unknown>, 'load'>[] = []
  const queued = <Call, Out> (
    name: StoreCallName, options: Omit<BatchOptions<Call>, 'separable' | 'calls'>, run: RunBatch<Call, Out>
  ) => {
    const batch = new Batch(run, { ...options, calls, separable: isDataError })
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
    calls,
    get: queued('get', get, getRun(database)),
    ending: batched('endReason', ending),
    insert: queued('insert', insert, insertRun(database)),
    insertRecorded: queued('insert', insertRecorded, insertRecordedRun(database)),
    update: queued('update', update, updateRun(database)),
    touch: batched('touch', touch),
    destroy: queued('destroy', destroyUnlocked, destroyRun(database)),
    merge: mergeRun(database),
    extend: extendRun(database),
    consume: single('consume', consume),
    consumeTelling: single('consume', consumeTelling),
    swap: single('amend', swap),
    consumeRecorded: single('consume', consumeRecorded),
    consumeStartedBefore: single('consumeStartedBefore', consumeStartedBefore),
    consumeStartedBeforeRecorded: single('consumeStartedBefore', consumeStartedBeforeRecorded),
    replace: single('replace', replace),
    replaceRecorded: single('replace', replaceRecorded),
    replaceLimited: single('replaceWithin', replaceLimited),
    replaceLimitedRecorded: single('replaceWithin', replaceLimitedRecorded),
    listByUser: single('listByUser', listByUser),
    destroyByUser: single('destroyByUser', destroyByUser),
    destroyByUserRecorded: single('destroyByUser', destroyByUserRecorded),
    consumeByUser: single('consumeByUser', consumeByUser),
    consumeByUserRecorded: single('consumeByUser', consumeByUserRecorded),
    all: single('all', all),
    count: single('length', count),
    clear: single('clear', clear),
    prune: single('prune', prune),
    recordEvents: single('recordEvents', recordEvents),
    pruneEvents: single('prune', pruneEvents),
    sample: single('sample', sample),
    shared: single('sharedValue', shared),
    replaceShared: single('replaceSharedValue', replaceShared),
    isWritable: single('ping', ping),
    /** Over all batches. */
    load: (): Workload => batches.map(({ load }) => load).reduce((sum, { waiting, inFlight }) =>
      ({ waiting: sum.waiting + waiting, inFlight: sum.inFlight + inFlight }))
  }
}
