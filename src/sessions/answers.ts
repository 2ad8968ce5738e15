import type { Pool, PoolClient } from 'pg'

const ofPools = new WeakMap<Pool, Answers>()

/**
 * When the connections of a pool last answered, on the process's monotonic clock, in milliseconds.
 *
 * A firewall, a NAT gateway or a failover may take away connections without a sign, and then takes
 * all of them. When one does not answer, the others are therefore not trusted either, unless they
 * have answered meanwhile. Otherwise each of them would cost a call its time limit.
 */
export class Answers {
  readonly #lastMs = new WeakMap<PoolClient, number>()
  #neededSinceMs = -Infinity

  /** Those of this pool, whichever stores share it. */
  static of (pool: Pool): Answers {
    let answers = ofPools.get(pool)
    if (answers === undefined) {
      const made = answers = new Answers()
      ofPools.set(pool, made)
      // Without this, a new connection could not be told from one that was idle. An object that only
      // resembles a pool may have no events, and no count of connections that could be replaced.
      pool.on?.('connect', (client) => { made.heardFrom(client) })
    }
    return answers
  }

  heardFrom (client: PoolClient): void {
    this.#lastMs.set(client, performance.now())
  }

  /** The connection that was sent a statement at `sentMs` was lost. */
  missed (sentMs: number): void {
    this.#neededSinceMs = Math.max(this.#neededSinceMs, sentMs)
  }

  isTrusted (client: PoolClient): boolean {
    return (this.#lastMs.get(client) ?? -Infinity) >= this.#neededSinceMs
  }
}
