import type { Pool } from 'pg'
import { Counter, Gauge, type Registry } from 'prom-client'
import type {
  PgSessionStore, StoreCall, StoreMerge, StorePrune, StoreStatement
} from '../sessions/index.js'
import { CallMetrics } from './call-metrics.js'
import { PREFIX } from './names.js'
import { Tally } from './series.js'
import type { Subscriptions } from '../subscriptions.js'

export interface StoreParts { store: PgSessionStore, pool: Pool }

/** What the session store does, and its pool of connections. */
export function observeStore (register: Registry, subscriptions: Subscriptions, { store, pool }: StoreParts): void {
  const registers = [register]
  const counter = <Label extends string> (name: string, help: string, labelNames: Label[] = []) =>
    new Counter<Label>({ name: PREFIX + name, help, labelNames, registers })
  const gauge = <Label extends string> (
    name: string, help: string, collect: (gauge: Gauge<Label>) => void, labelNames: Label[] = []
  ) => new Gauge<Label>({ name: PREFIX + name, help, labelNames, registers, collect () { collect(this) } })

  const calls = new CallMetrics(register)
  const skipped = new Tally({
    name: `${PREFIX}touches_skipped_total`, help: 'Requests whose session needed no write', labelNames: [], register
  }).cell({})
  const conflicts = counter(
    'session_conflicts_total', 'Concurrent changes to a session that were merged, by how', ['resolution']
  )
  const pruned = counter('rows_pruned_total', 'Expired rows that this instance has removed')
  for (const resolution of ['merged', 'overwritten']) conflicts.inc({ resolution }, 0)

  const ours = <Message extends { store: object }> (name: string, count: (message: Message) => void) => {
    subscriptions.add(name, (message: Message) => { if (message.store === store) count(message) })
  }
  ours('cashsouk-auth:store:call', ({ call, durationMs, error }: StoreCall) => {
    calls.ended(call, durationMs, error)
  })
  ours('cashsouk-auth:store:statement', ({ call, callers }: StoreStatement) => {
    if (callers !== undefined) calls.batch(call, callers.length)
  })
  ours('cashsouk-auth:store:unwritten', () => { skipped.value++ })
  ours('cashsouk-auth:store:merge', ({ isOverwritten }: StoreMerge) => {
    conflicts.inc({ resolution: isOverwritten ? 'overwritten' : 'merged' })
  })
  ours('cashsouk-auth:store:prune', ({ removed }: StorePrune) => { pruned.inc(removed) })

  gauge('store_queue_calls', 'Calls of the session store that wait for their batch', (queue) => {
    queue.set(store.workload().waiting)
  })
  gauge('store_batches_in_flight', 'Batches that the database is working on', (inFlight) => {
    inFlight.set(store.workload().inFlight)
  })
  gauge('pool_connections', 'Connections of the pool, by state (active, idle)', (connections) => {
    const { totalCount, idleCount } = pool
    connections.set({ state: 'active' }, totalCount - idleCount)
    connections.set({ state: 'idle' }, idleCount)
  }, ['state'])
  gauge('pool_max_connections', 'Connections that the pool may have', (max) => { max.set(pool.options.max) })
  gauge('pool_waiting', 'Statements that wait for a connection', (waiting) => { waiting.set(pool.waitingCount) })
}
