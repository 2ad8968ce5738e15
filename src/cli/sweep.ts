import type { CommandDatabase } from './database/database.js'
import { InterruptedError } from './failure.js'
import { progress } from './progress.js'
import type { Terminal } from './terminal.js'
import { counted } from './words.js'

/** Rows that one statement reads. */
const BATCH_ROWS = 5000

export interface Sweep {
  label: string
  /** SQL on a row of the session table, whose parameters begin with `$3`. */
  where: string
  values: readonly unknown[]
}

interface SweptRow { read: number, last: string | null, removed: number }

/**
 * Removes the rows of the session table that fulfil a condition, in batches along the primary key, so that no statement
 * is long and a command can be stopped.
 *
 * @returns how many.
 * @throws {InterruptedError}
 */
export async function sweep (
  terminal: Terminal, database: CommandDatabase, { label, where, values }: Sweep
): Promise<number> {
  const { table } = await database.layout()
  const text = `
    WITH batch AS MATERIALIZED (
      SELECT sid AS batch_sid
      FROM ${table}
      WHERE sid > $1
      ORDER BY sid
      LIMIT $2
    ), gone AS (
      DELETE FROM ${table}
      USING batch
      WHERE sid = batch_sid
        AND (${where})
      RETURNING 1
    )
    SELECT
      (SELECT count(*) FROM batch)::int AS read,
      (SELECT max(batch_sid) FROM batch) AS last,
      (SELECT count(*) FROM gone)::int AS removed`
  const [rows] = await database.run<{ count: number }>({ text: `SELECT count(*)::int AS count FROM ${table}` })
  const bar = progress(terminal, label, rows?.count ?? 0)
  let [read, removed] = [0, 0]
  let last = ''
  try {
    for (;;) {
      if (terminal.interrupted.aborted) {
        throw new InterruptedError(`interrupted: ${counted(removed, 'row')} removed, and there may be more`)
      }
      const [row] = await database.run<SweptRow>({ text, values: [last, BATCH_ROWS, ...values] })
      if (row === undefined || row.last === null) return removed
      read += row.read
      removed += row.removed
      last = row.last
      bar.at(read)
      if (row.read < BATCH_ROWS) return removed
    }
  } finally {
    bar.end()
  }
}
