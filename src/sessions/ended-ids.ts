/** Stored ids in one generation, some 150 bytes each. There are two generations. */
const MAX_IDS = 5000

/** The stored ids of the sessions that this process ended last. */
export class EndedIds {
  #younger = new Set<string>()
  #older = new Set<string>()

  add (sids: Iterable<string>): void {
    for (const sid of sids) {
      if (this.#younger.size >= MAX_IDS) {
        this.#older = this.#younger
        this.#younger = new Set()
      }
      this.#younger.add(sid)
    }
  }

  has (sid: string): boolean {
    return this.#younger.has(sid) || this.#older.has(sid)
  }
}
