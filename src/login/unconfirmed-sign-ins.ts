import { setTimeout as sleep } from 'node:timers/promises'
import type { AuthEvent, PgSessionStore } from '../sessions/index.js'

/** Pauses before each look at the database. A statement that was sent may still be running when its answer is lost. */
const PAUSES_MS = [0, 1000, 4000, 10_000]

/** A sign-in whose statement failed. `formerId`: of the session that the same statement ends, if there is one. */
export interface UnconfirmedSignIn {
  id: string
  formerId: string | undefined
  /** What is recorded of the new session, if it is there and removed. */
  events?: readonly AuthEvent[] | undefined
  /** Called once if the former session turns out to have ended. Must not throw. */
  onFormerEnded: () => void
}

/**
 * Cleans up after sign-ins whose statement may have been committed although its answer was lost: removes the new
 * session, whose cookie no browser has, and finds out whether the former one has ended.
 */
export class UnconfirmedSignIns {
  readonly #store: Pick<PgSessionStore, 'consume' | 'promises'>
  /** What is under way, with what ends its pauses. */
  readonly #running = new Map<AbortController, Promise<void>>()

  constructor (store: Pick<PgSessionStore, 'consume' | 'promises'>) {
    this.#store = store
  }

  /** In the background, with a few attempts. */
  settle (signIn: UnconfirmedSignIn): void {
    const closing = new AbortController()
    const settled = this.#settle(signIn, closing.signal).finally(() => { this.#running.delete(closing) })
    this.#running.set(closing, settled)
  }

  /** Makes no further attempt, and waits for what is under way. */
  async close (): Promise<void> {
    for (const closing of this.#running.keys()) closing.abort()
    await Promise.all(this.#running.values())
  }

  async #settle ({ id, formerId, events, onFormerEnded }: UnconfirmedSignIn, closing: AbortSignal): Promise<void> {
    let isFormerPending = formerId !== undefined
    for (const pause of PAUSES_MS) {
      await sleep(pause, undefined, { ref: false, signal: closing }).catch(() => {})
      if (closing.aborted) return
      try {
        const isRemoved = await this.#store.consume(id, { events }) !== null
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
