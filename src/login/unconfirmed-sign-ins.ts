import { setTimeout as sleep } from 'node:timers/promises'
import type { PgSessionStore } from '../sessions/index.js'

/** Pauses before each look at the database. A statement that was sent may still be running when its answer is lost. */
const PAUSES_MS = [0, 1000, 4000, 10_000]

/** A sign-in whose statement failed. `formerId`: of the session that the same statement ends, if there is one. */
export interface UnconfirmedSignIn {
  id: string
  formerId: string | undefined
  /** Called once if the former session turns out to have ended. Must not throw. */
  onFormerEnded: () => void
}

/**
 * Cleans up after sign-ins whose statement may have been committed although its answer was lost: removes the new
 * session, whose cookie no browser has, and finds out whether the former one has ended.
 */
export class UnconfirmedSignIns {
  readonly #store: Pick<PgSessionStore, 'consume' | 'promises'>
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor (store: Pick<PgSessionStore, 'consume' | 'promises'>) {
    this.#store = store
  }

  /** In the background, with a few attempts. */
  settle (signIn: UnconfirmedSignIn): void {
    const running = this.#settle(signIn).finally(() => { this.#running.delete(running) })
    this.#running.add(running)
  }

  /** Makes no further attempt, and waits for what is under way. */
  async close (): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#running)
  }

  async #settle ({ id, formerId, onFormerEnded }: UnconfirmedSignIn): Promise<void> {
    let isFormerPending = formerId !== undefined
    for (const pause of PAUSES_MS) {
      await sleep(pause, undefined, { ref: false, signal: this.#closing.signal }).catch(() => {})
      if (this.#closing.signal.aborted) return
      try {
        const isRemoved = await this.#store.consume(id) !== null
        if (isFormerPending && (isRemoved || await this.#hasEnded(formerId))) {
          isFormerPending = false
          onFormerEnded()
        }
        if (isRemoved) return
      } catch {
        // The database is unavailable: the next attempt may succeed, and an unused session expires by itself.
      }
    }
  }

  async #hasEnded (id: string | undefined): Promise<boolean> {
    return id !== undefined && await this.#store.promises.get(id) === null
  }
}
