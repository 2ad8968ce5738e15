import type { Pool, PoolClient } from 'pg'

const ofPools = new WeakMap<Pool, Answers>()

/**
 * When the connections of a pool last answered, on the process's monotonic clock, in milliseconds.
 *
 * A firewall, a NAT gateway or a failover may take away connections without a sign, and then takes
 * all of them. When one does not answer, the others are therefore not trusted either, unless they
 * have answered meanwhile. Otherwise each of them would cost a call its time limit.
 *
 * A former primary goes on to answer after its place has been taken. Its connections are retired.
 */
export class Answers {
  readonly #lastMs = new WeakMap<PoolClient, number>()
  readonly #madeMs = new WeakMap<PoolClient, number>()
  #neededSinceMs = -Infinity
  #retiredMs = -Infinity

  /** Those of this pool, whichever stores share it. */
  static of (pool: Pool): Answers {
    let answers = ofPools.get(pool)
    if (answers === undefined) {
      const made = answers = new Answers()
      ofPools.set(pool, made)
      // Without this, a new connection could not be told from one that was idle. An object that only
      // resembles a pool may have no events, and no count of connections that could be replaced.
      pool.on?.('connect', (client) => { made.begun(client) })
    }
    return answers
  }

  begun (client: PoolClient): void {
    this.#madeMs.set(client, performance.now())
    this.heardFrom(client)
  }

  heardFrom (client: PoolClient): void {
    this.#lastMs.set(client, performance.now())
  }

  /** The connection that was sent a statement at `sentMs` was lost. */
  missed (sentMs: number): void {
    this.#neededSinceMs = Math.max(this.#neededSinceMs, sentMs)
  }

  /** Connections that were made before `ms` are not used any more. */
  retire (ms: number): void {
    this.#retiredMs = Math.max(this.#retiredMs, ms)
  }

  isTrusted (client: PoolClient): boolean {
    return (this.#lastMs.get(client) ?? -Infinity) >= this.#neededSinceMs &&
      (this.#madeMs.get(client) ?? -Infinity) >= this.#retiredMs
  }
}

/**
 * The connections that a pool has now are discarded when they are next needed, as those to a server that has been
 * replaced. Statements in flight end as they would have.
 *
 * @param ms those that were made before this time of `performance.now()`. Default: now.
 */
export function retireConnections (pool: Pool, ms = performance.now()): void {
  Answers.of(pool).retire(ms)
}
