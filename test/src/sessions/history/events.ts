/**
 * The history that a worker writes, one event per line, in the order of time.
 *
 * @module
 */

/** A call of the store, as it begins. */
export type Call =
  | { kind: 'login', sid: string, sub: string, ttlMs: number }
  | { kind: 'read' | 'touch' | 'destroy', sid: string }
  /** Step `step` of the only writer of `key`: sets the key to that number, or deletes it. */
  | { kind: 'write', sid: string, key: string, step: number, deletes: boolean }
  | { kind: 'revoke', sub: string, except: string | null }
  | { kind: 'prune' }

/** What a read returned: the id in the content, and the writers' keys. */
export interface Seen { self: string, keys: Record<string, number> }

/** `unknown`: ERR_DATABASE, so it may or may not have happened. `failed`: any other error. */
export type Outcome = 'ok' | 'unknown' | 'failed' | 'never'

/**
 * `at` is the time on the machine's monotonic clock, which all processes share, in microseconds.
 * `n` numbers the calls of one worker.
 */
export type Event =
  | { type: 'begin', at: number, n: number, call: Call }
  | { type: 'end', at: number, n: number, outcome: Outcome, seen?: Seen | null, error?: string }
  /** A second callback of a call. */
  | { type: 'again', at: number, n: number }
  /** There are no other events up to this time. */
  | { type: 'quiet', at: number }

export const now = (): number => Math.floor(Number(process.hrtime.bigint()) / 1000)

export const write = (event: Event): string => `${JSON.stringify(event)}\n`
export const read = (line: string): Event => JSON.parse(line) as Event
