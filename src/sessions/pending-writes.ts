import type { Done } from './batch.js'
import { callBack } from './callback.js'

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

  /** Runs `call` once no write of `sid` is pending. It must not throw. */
  after (sid: string, call: () => void): void {
    const waiting = this.#waiting.get(sid)
    if (waiting === undefined) call()
    else if (waiting === NONE) this.#waiting.set(sid, [call])
    else (waiting as (() => void)[]).push(call)
  }

  /** Begins a write of `sid`, which must not be pending. Gives `done`, which also ends it. */
  begin (sid: string, done: Done<void>): Done<void> {
    this.#waiting.set(sid, NONE)
    return endOf(this, sid, done)
  }

  /** Runs a write that is a promise, once no other write of `sid` is pending. */
  async run<Value> (sid: string, write: () => Promise<Value>): Promise<Value> {
    const end = await new Promise<Done<void>>((resolve) => {
      this.after(sid, () => { resolve(this.begin(sid, () => {})) })
    })
    try {
      return await write()
    } finally {
      end(null)
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
