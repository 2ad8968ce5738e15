import type { Pool, PoolClient } from 'pg'

const ofPools = new WeakMap<Pool, Route>()

/** What lies between a pool and PostgreSQL. */
export class Route {
  #isDirect: boolean | undefined

  /** That of this pool, whichever stores share it. */
  static of (pool: Pool): Route {
    let route = ofPools.get(pool)
    if (route === undefined) ofPools.set(pool, route = new Route())
    return route
  }

  get isKnown (): boolean {
    return this.#isDirect !== undefined
  }

  /**
   * Whether connections are known to end at the server itself. A pooler in between gives each a process id of its own.
   *
   * No CancelRequest may go through one: PgBouncer before 1.20.1 may exit, with every application's connections, when
   * the query ends at the same time.
   *
   * @see {@link https://github.com/pgbouncer/pgbouncer/pull/927}
   */
  get isDirect (): boolean {
    return this.#isDirect === true
  }

  /** @param backend `pg_backend_pid()` of this connection. */
  found (client: PoolClient, backend: number): void {
    this.#isDirect = (client as { processID?: number | null }).processID === backend
  }
}
