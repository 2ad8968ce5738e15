/**
 * The history that a worker writes, one event a line, in the order of time.
 *
 * @module
 */

/** A call of the store, as it begins. */
export type Call =
  | { kind: 'login', sid: string, sub: string, ttlMs: number }
  | { kind: 'read' | 'touch' | 'destroy', sid: string }
  /** Step `step` of the one writer of `key`: the key gets that number, or is deleted. */
  | { kind: 'write', sid: string, key: string, step: number, deletes: boolean }
  | { kind: 'revoke', sub: string, except: string | null }
  | { kind: 'prune' }

/** What a read saw: whose session it says that it is, and the keys of writers. */
export interface Seen { self: string, keys: Record<string, number> }

/** `unknown`: ERR_DATABASE, so it may or may not have happened. `failed`: any other error. */
export type Outcome = 'ok' | 'unknown' | 'failed' | 'never'

/** `at`: microseconds on the machine's monotonic clock, which all processes share. `n` numbers the calls of one worker. */
export type Event =
  | { type: 'begin', at: number, n: number, call: Call }
  | { type: 'end', at: number, n: number, outcome: Outcome, seen?: Seen | null, error?: string }
  /** A call called back once more. */
  | { type: 'again', at: number, n: number }
  /** Nothing happened until now. */
  | { type: 'quiet', at: number }

export const now = (): number => Math.floor(Number(process.hrtime.bigint()) / 1000)

export const write = (event: Event): string => `${JSON.stringify(event)}\n`
export const read = (line: string): Event => JSON.parse(line) as Event
