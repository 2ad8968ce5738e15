import type { Pool, PoolClient, QueryConfig, QueryResultRow } from 'pg'
import { isConnectionBroken } from './sql-errors.js'

/**
 * Runs a query on a connection of the pool. The connection survives an SQL error, after which
 * `pool.query` would discard it.
 *
 * @param deadline rejects when the query has to be given up.
 * @throws pg's error
 */
export async function runOnPool<Row extends QueryResultRow> (
  pool: Pool, query: QueryConfig, deadline: Promise<never>
): Promise<Row[]> {
  const client = await connect(pool, deadline)
  // The pool does not listen to a connection in use: its loss would end the process.
  client.on('error', ignore)
  let isBroken = true
  try {
    const { rows } = await Promise.race([client.query<Row>(query), deadline])
    isBroken = false
    return rows
  } catch (error) {
    isBroken = isConnectionBroken(error)
    throw error
  } finally {
    release(client, isBroken)
  }
}

async function connect (pool: Pool, deadline: Promise<never>): Promise<PoolClient> {
  const connecting = pool.connect()
  try {
    return await Promise.race([connecting, deadline])
  } catch (error) {
    connecting.then((late) => { late.release() }, ignore)
    throw error
  }
}

function release (client: PoolClient, isBroken: boolean): void {
  client.release(isBroken)
  if (isBroken) {
    // A discarded connection may emit further errors, as PgBouncer's do after the server's own. The
    // pool listens again since the release, and would end the process of an application without a
    // listener on its pool.
    client.removeAllListeners('error').on('error', ignore)
  } else {
    client.removeListener('error', ignore)
  }
}

function ignore (): void {}
