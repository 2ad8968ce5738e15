import type { Pool, PoolClient, QueryConfig, QueryResultRow } from 'pg'
import { Answers } from './answers.js'
import { cancelQuery } from './cancel.js'
import { withDeadline } from './deadline.js'
import { Route } from './route.js'
import { isConnectionBroken, isConnectionLost, sqlState } from './sql-errors.js'

/** What surrounds a query that runs in a transaction of its own. */
export interface Transaction {
  /** SQL that runs before the query. */
  locks: string
  /** Whether the rows of the query must not be committed. The error has SQLSTATE 40001. */
  isStale?: ((rows: never[]) => boolean) | undefined
}

/**
 * Runs a query on a connection of the pool. The connection survives an SQL error, after which
 * `pool.query` would discard it.
 *
 * @param deadline rejects when the query has to be given up.
 * @param onRows gets the rows of an answer with the connection that they came from.
 * @param repeatAfterMs for a query that only reads. If its connection is lost, or does not answer
 *   within this time, the query is run once more on another connection. Without this limit a query
 *   is never repeated, because it may have been run.
 * @throws pg's error
 */
export async function runOnPool<Row extends QueryResultRow> (
  pool: Pool, query: QueryConfig, deadline: Promise<never>,
  { repeatAfterMs, transaction, onRows }: {
    repeatAfterMs?: number | undefined
    transaction?: Transaction | undefined
    onRows?: (rows: Row[], client: PoolClient) => void
  } = {}
): Promise<Row[]> {
  let isOver = false
  deadline.catch(() => { isOver = true })
  for (let limitMs = repeatAfterMs; ; limitMs = undefined) {
    const client = await connect(pool, deadline)
    try {
      const rows = await runOn<Row>(pool, client, query, deadline, { limitMs, transaction })
      onRows?.(rows, client)
      return rows
    } catch (error) {
      if (limitMs === undefined || isOver || !isConnectionLost(error)) throw error
    }
  }
}

async function runOn<Row extends QueryResultRow> (
  pool: Pool, client: PoolClient, query: QueryConfig, deadline: Promise<never>,
  { limitMs, transaction }: { limitMs: number | undefined, transaction: Transaction | undefined }
): Promise<Row[]> {
  // The pool does not listen to a connection in use: its loss would end the process.
  client.on('error', ignore)
  const sentMs = performance.now()
  const answers = Answers.of(pool)
  let isBroken = true
  try {
    const answer = transaction === undefined
      ? client.query<Row>(query)
      : runInTransaction<Row>(client, query, transaction)
    const { rows } = await Promise.race([
      limitMs === undefined ? answer : withDeadline(limitMs, answer, () => unanswered(limitMs)),
      deadline
    ])
    isBroken = false
    answers.heardFrom(client)
    return rows
  } catch (error) {
    // Without an SQLSTATE the query may still run.
    if (sqlState(error) === undefined && Route.of(pool).isDirect) endAfter(client, cancelQuery(client))
    isBroken = isConnectionBroken(error) ||
      (transaction !== undefined && !await isRolledBack(client, deadline))
    if (isConnectionLost(error)) answers.missed(sentMs)
    else answers.heardFrom(client)
    throw error
  } finally {
    release(client, isBroken)
  }
}

/** Closes a connection only when its query has been cancelled. The pool does not wait for that. */
function endAfter (client: PoolClient, cancelled: Promise<void> | undefined): void {
  if (cancelled === undefined) return
  const { end } = client as unknown as { end: (done?: () => void) => unknown }
  Object.assign(client, {
    end (done?: () => void): void {
      void cancelled.then(() => end.call(client))
      done?.()
    }
  })
}

/** The isolation level takes a snapshot for each statement, whatever the database's default is. */
async function runInTransaction<Row extends QueryResultRow> (
  client: PoolClient, query: QueryConfig, { locks, isStale }: Transaction
): Promise<{ rows: Row[] }> {
  await client.query(`BEGIN ISOLATION LEVEL READ COMMITTED; ${locks}`)
  const answer = await client.query<Row>(query)
  if (isStale?.(answer.rows as never[]) === true) {
    throw Object.assign(new Error('a row was changed meanwhile'), { code: '40001' })
  }
  await client.query('COMMIT')
  return answer
}

/** Whether a connection is outside of any transaction again. */
async function isRolledBack (client: PoolClient, deadline: Promise<never>): Promise<boolean> {
  return Promise.race([client.query('ROLLBACK'), deadline]).then(() => true, () => false)
}

const unanswered = (ms: number): Error => new Error(`no answer within ${ms} ms`)

/** A connection that has answered since the pool last lost one, or a new one. */
async function connect (pool: Pool, deadline: Promise<never>): Promise<PoolClient> {
  const answers = Answers.of(pool)
  let client = await checkOut(pool, deadline)
  for (let left = pool.totalCount; left > 0 && !answers.isTrusted(client); left--) {
    release(client, true)
    // The pool would wait for a server that may be gone, and keep the process alive meanwhile.
    client.connection.stream.destroy()
    client = await checkOut(pool, deadline)
  }
  return client
}

async function checkOut (pool: Pool, deadline: Promise<never>): Promise<PoolClient> {
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
