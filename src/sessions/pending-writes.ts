import { AsyncResource } from 'node:async_hooks'
import { callBack } from './callback.js'

/**
 * The writes of sessions that this process has begun and not finished, by stored id.
 *
 * Calls for a session wait for the writes of the same session that came before them: they see what
 * these wrote, and a write never overtakes another. Calls for other sessions do not wait.
 */
export class PendingWrites {
  /** The calls that wait for a write of this stored id. */
  readonly #waiting = new Map<string, (() => void)[]>()

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
    else waiting.push(AsyncResource.bind(call))
  }

  /** As `after`, for a write. It is given a function to call once when it has ended. */
  begin (sid: string, write: (ended: () => void) => void): void {
    this.after(sid, () => {
      this.#waiting.set(sid, [])
      write(() => { this.#end(sid) })
    })
  }

  /**
   * As `begin`, for a write of one or more sessions that is a promise.
   *
   * It enters every queue at once. All queues then have the same order, so that no two writes wait
   * for each other.
   */
  async run<Value> (sids: Iterable<string>, write: () => Promise<Value>): Promise<Value> {
    const begun = [...new Set(sids)].map((sid) =>
      new Promise<() => void>((resolve) => { this.begin(sid, resolve) }))
    const ends = await Promise.all(begun)
    try {
      return await write()
    } finally {
      for (const end of ends) end()
    }
  }

  /** Lets the calls go that wait, up to and including the next write. */
  #end (sid: string): void {
    const waiting = this.#waiting.get(sid) ?? []
    this.#waiting.delete(sid)
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      callBack(next, undefined)
      const pending = this.#waiting.get(sid)
      if (pending === undefined) continue
      pending.push(...waiting)
      return
    }
  }
}
