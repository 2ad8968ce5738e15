import { AsyncResource } from 'node:async_hooks'
import type { Done } from './batch.js'
import { callBack } from './callback.js'
import type { StoredIds } from './statements/statement.js'

/** Shared by all writes for which no call waits. */
const NONE: readonly (() => void)[] = []

/**
 * The writes of sessions that this process has begun and not finished, by stored id.
 *
 * Calls for a session wait for the writes of the same session that came before them: they see what
 * these wrote, and a write never overtakes another. Calls for other sessions do not wait.
 */
export class PendingWrites {
  /** The calls that wait for a write of this stored id. */
  readonly #waiting = new Map<string, readonly (() => void)[]>()

  has (sid: string): boolean {
    return this.#waiting.has(sid)
  }

  /**
   * Runs `call` once no write of `sid` is pending, in the async context of this call. It must not
   * throw.
   */
  after (sid: string, call: () => void): void {
    const waiting = this.#waiting.get(sid)
    if (waiting === undefined) call()
    else if (waiting === NONE) this.#waiting.set(sid, [AsyncResource.bind(call)])
    else (waiting as (() => void)[]).push(AsyncResource.bind(call))
  }

  /** Begins a write of `sid`, which must not be pending. Gives `done`, which also ends it. */
  begin (sid: string, done: Done<void>): Done<void> {
    this.#waiting.set(sid, NONE)
    return endOf(this, sid, done)
  }

  /**
   * Begins a write of a session once no other write of it is pending.
   *
   * @param write is given when the call came in, on the process's monotonic clock, and `done`, which also ends it.
   */
  write ([sid = '']: StoredIds, done: Done<void>, write: (beganMs: number, ended: Done<void>) => void): void {
    const beganMs = performance.now()
    if (this.has(sid)) this.after(sid, () => { begin(this, sid, done, write, beganMs) })
    else begin(this, sid, done, write, beganMs)
  }

  /**
   * Runs a write of one or more sessions that is a promise, once no other write of them is pending.
   *
   * It enters every queue at once. All queues then have the same order, so that no two writes wait
   * for each other.
   */
  async run<Value> (sids: Iterable<string>, write: () => Promise<Value>): Promise<Value> {
    const begun = [...new Set(sids)].map((sid) => new Promise<Done<void>>((resolve) => {
      this.after(sid, () => { resolve(this.begin(sid, () => {})) })
    }))
    const ends = await Promise.all(begun)
    try {
      return await write()
    } finally {
      for (const end of ends) end(null)
    }
  }

  /** Lets the calls go that wait, up to and including the next write. */
  end (sid: string): void {
    const waiting = [...this.#waiting.get(sid) ?? NONE]
    this.#waiting.delete(sid)
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      callBack(next, undefined)
      const pending = this.#waiting.get(sid)
      if (pending === undefined) continue
      if (waiting.length > 0) this.#waiting.set(sid, [...waiting, ...pending])
      return
    }
  }
}

/** Outside of the class, so that it keeps nothing of its caller in memory while the write waits. */
const endOf = (writes: PendingWrites, sid: string, done: Done<void>): Done<void> => (error) => {
  writes.end(sid)
  done(error)
}

/** Outside of the class, for the same reason. */
function begin (
  pending: PendingWrites, sid: string, done: Done<void>,
  write: (beganMs: number, ended: Done<void>) => void, beganMs: number
): void {
  const ended = pending.begin(sid, done)
  try {
    write(beganMs, ended)
  } catch (error) { // what cannot be stored
    process.nextTick(ended, error)
  }
}
