/**
 * What the store publishes on diagnostics channels, for metrics and traces. Without a subscriber, a
 * call costs one check of a flag.
 *
 * Messages are shared by all subscribers of the process, and must not be changed. `store` is the
 * PgSessionStore. No message holds an id or what a session holds. Durations are in milliseconds.
 *
 * @see {@link https://nodejs.org/docs/latest-v20.x/api/diagnostics_channel.html}
 * @module
 */
import type { AsyncResource } from 'node:async_hooks'
import { channel, type Channel } from 'node:diagnostics_channel'
import type { Done } from './batch.js'

/** What a call of the store asks the database for. One method may make several of them. */
export type StoreCallName =
  | 'get' | 'endReason' | 'insert' | 'update' | 'touch' | 'destroy' | 'merge' | 'extend' | 'consume' | 'replace'
  | 'replaceWithin' | 'listByUser' | 'destroyByUser' | 'consumeByUser' | 'all' | 'length' | 'clear' | 'prune'
  | 'consumeStartedBefore' | 'recordEvents' | 'amend'
  | 'sharedValue' | 'replaceSharedValue' | 'acquireLease' | 'releaseLease' | 'failLease' | 'sample' | 'ping'

/** `cashsouk-auth:store:call`: a call has ended. */
export interface StoreCall {
  store: object
  call: StoreCallName
  /** For the caller: with the wait for other calls of the session, for a batch and for a connection. */
  durationMs: number
  /** `ERR_DATABASE` or `ERR_SESSION_VALUE`; undefined on success. */
  error: Error | undefined
}

/** `cashsouk-auth:store:statement`: a statement has ended. */
export interface StoreStatement {
  store: object
  call: StoreCallName
  /** The SQL, with `$1` in place of values. Undefined if the table was never reached. */
  text: string | undefined
  /**
   * The calls that the statement served, if they are batched. `runInAsyncScope` of each runs a function in the async
   * context of its caller. Undefined for a call with a statement of its own: the message is published in its context.
   */
  callers: readonly AsyncResource[] | undefined
  /** `performance.now()` when it was given to the pool. */
  startMs: number
  /** With the wait for a connection, and with what was repeated. */
  durationMs: number
  error: Error | undefined
  /** The SQLSTATE, if PostgreSQL refused the statement. */
  state: string | undefined
}

/** `cashsouk-auth:store:unwritten`: `set` or `touch` found nothing to write, because no touch is due. */
export interface StoreUnwritten { store: object }

/** `cashsouk-auth:store:merge`: concurrent changes to a session were merged. */
export interface StoreMerge {
  store: object
  /** Whether both had changed the same key. */
  isOverwritten: boolean
}

/** `cashsouk-auth:store:prune`: a batch of expired rows was removed. */
export interface StorePrune { store: object, removed: number }

export const callChannel = channel('cashsouk-auth:store:call')
export const statementChannel = channel('cashsouk-auth:store:statement')
export const unwrittenChannel = channel('cashsouk-auth:store:unwritten')
export const mergeChannel = channel('cashsouk-auth:store:merge')
export const pruneChannel = channel('cashsouk-auth:store:prune')

/** Publishes a message that is only made for a subscriber. */
export function publish<Message extends object> (to: Channel, message: () => Message): void {
  if (to.hasSubscribers) to.publish(message())
}

/** `done`, which then also reports the call. @param beganMs on the process's monotonic clock. */
export function reported<Out> (
  store: object, call: StoreCallName, done: Done<Out>, beganMs = performance.now()
): Done<Out> {
  if (!callChannel.hasSubscribers) return done
  return (error, out) => {
    publishCall(store, call, beganMs, error ?? undefined)
    done(error, out)
  }
}

/** Runs a call, and reports it. @param waitedMs how long it has waited already. */
export async function reporting<Out> (
  store: object, call: StoreCallName, run: () => Promise<Out>, waitedMs = 0
): Promise<Out> {
  if (!callChannel.hasSubscribers) return run()
  const beganMs = performance.now() - waitedMs
  try {
    const out = await run()
    publishCall(store, call, beganMs, undefined)
    return out
  } catch (error) {
    publishCall(store, call, beganMs, error as Error)
    throw error
  }
}

function publishCall (store: object, call: StoreCallName, beganMs: number, error: Error | undefined): void {
  publish(callChannel, (): StoreCall => ({ store, call, durationMs: performance.now() - beganMs, error }))
}
