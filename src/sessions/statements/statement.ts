import type { RecordedEvent } from './events.js'
import type { Layout } from './layout.js'

/**
 * The ids under which a session may be stored in the column `sid`: the current one, under which it
 * is written, then legacy ones. Empty if the session id is invalid. Shared, so it must not be
 * changed.
 */
export type StoredIds = readonly string[]

/**
 * One SQL statement: its text, the values of its parameters, and what its rows mean.
 *
 * Durations are in milliseconds. Points in time are milliseconds since 1970 on the database's
 * clock.
 */
export interface Statement<In, Out, Row extends object> {
  /** The SQL for a table of this layout. */
  readonly text: (layout: Layout) => string
  /** The values of `$1`, `$2` and so on. */
  readonly values: (input: In) => unknown[]
  readonly outcome: (rows: Row[], input: In) => Out
  /** Whether it changes nothing, so that it may be repeated when its connection is lost. */
  readonly isRead?: boolean
  /** Whether it writes sessions, which the column `sess` may not take. */
  readonly writesSess?: boolean
  /**
   * SQL that takes locks first, in the same transaction. The statement's snapshot is taken once it has
   * them: a statement that waits for its own lock would not see what the former holder wrote.
   */
  readonly locks?: (input: In) => string
  /** Whether a row was changed under it, so that the transaction is rolled back and run again. */
  readonly isStale?: (rows: Row[]) => boolean
  /** The events that it has recorded. */
  readonly recorded?: (rows: Row[]) => RecordedEvent[]
}

/** A statement that serves many calls. Its outcomes are in the order of the calls. */
export interface BatchStatement<Call, Out, Row extends object>
  extends Statement<readonly Call[], Out[], Row> {
  readonly maxCalls: number
  /** How many of these statements may be in flight at the same time; default 1. */
  readonly maxInFlight?: number
  /** Calls with the same key are never in flight at the same time. */
  readonly key?: (call: Call) => string
}

/** With these limits, the parameters of one statement stay within a few megabytes. */
export const MAX_READS = 512
export const MAX_WRITES = 128

/**
 * Two statements that write may be in flight: the process works on one while the other waits for
 * the disk.
 */
export const MAX_WRITES_IN_FLIGHT = 2

/** One parameter of all calls, as an array. */
export const column = <Call, Name extends keyof Call> (
  calls: readonly Call[], name: Name
): Call[Name][] => calls.map((call) => call[name])

/** The state of a row after a statement has written it. */
export interface Written { version: string, expireMs: number }

export interface WrittenRow { version: string, expire_ms: number }

/** A row written for call `n`, counted from 1. pg returns a bigint as text. */
export interface NumberedRow extends WrittenRow { n: string }

/** The outcome of each call by its number; undefined for a call without a row. */
export function byNumber (rows: NumberedRow[], calls: readonly unknown[]): (Written | undefined)[] {
  const outcomes = new Array<Written | undefined>(calls.length).fill(undefined)
  for (const { n, version, expire_ms: expireMs } of rows) {
    outcomes[Number(n) - 1] = { version, expireMs }
  }
  return outcomes
}
