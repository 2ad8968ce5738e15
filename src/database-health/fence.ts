/** As long as a connection of the pool lives at most, in milliseconds. */
const MEMORY_MS = 300_000

/**
 * Notices that new connections lead to another server than before. Behind an address that leads to several servers in
 * turn, a server that was seen in the last five minutes is no news.
 */
export class Fence {
  readonly #seenMs = new Map<string, number>()

  /** @returns whether `server` has taken the place of another. */
  isReplaced (server: string): boolean {
    const nowMs = performance.now()
    for (const [other, ms] of this.#seenMs) if (nowMs - ms > MEMORY_MS) this.#seenMs.delete(other)
    const isNews = this.#seenMs.size > 0 && !this.#seenMs.has(server)
    this.#seenMs.set(server, nowMs)
    return isNews
  }
}
