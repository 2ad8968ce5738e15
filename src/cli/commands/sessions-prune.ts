import { setTimeout as sleep } from 'node:timers/promises'
import { hasExpired } from '../../sessions/statements/expressions.js'
import { prune as statement, type Pruned } from '../../sessions/statements/prune.js'
import { withDatabase, type CommandDatabase } from '../database/database.js'
import { CommandError, InterruptedError } from '../failure.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { progress } from '../progress.js'
import type { Terminal } from '../terminal.js'
import { counted } from '../words.js'

/** Rows that one statement removes. */
const BATCH_ROWS = 2000
/** How long another instance may prune, and how often it is asked for, in milliseconds. */
const PATIENCE_MS = 10_000
const RETRY_MS = 100

/** `sessions prune` */
export const prune: Action = async (terminal, { json = false }) => {
  const removed = await withDatabase(terminal, async (database) => pruneAll(terminal, database), { isBatched: true })
  output(terminal, json, { removed }, () => `${counted(removed, 'row')} removed\n`)
}

async function pruneAll (terminal: Terminal, database: CommandDatabase): Promise<number> {
  const layout = await database.layout()
  const text = statement.text(layout)
  const [expired] = await database.run<{ count: number }>({
    text: `SELECT count(*)::int AS count FROM ${layout.table} WHERE ${hasExpired(layout)}`
  })
  const bar = progress(terminal, 'Removing expired rows', expired?.count ?? 0)
  let removed = 0
  let from: string | null = null
  let electedMs = performance.now()
  try {
    for (;;) {
      if (terminal.interrupted.aborted) {
        throw new InterruptedError(`interrupted: ${counted(removed, 'row')} removed, and there may be more`)
      }
      const values = statement.values({ maxRows: BATCH_ROWS, from })
      const [batch]: Pruned[] = await database.run<Pruned>({ text, values })
      if (batch?.elected === true) {
        electedMs = performance.now()
        removed += batch.removed
        from = batch.last
        bar.at(removed)
        if (batch.removed < BATCH_ROWS) return removed
      } else if (performance.now() - electedMs > PATIENCE_MS) {
        throw new CommandError(`another instance is pruning; ${counted(removed, 'row')} removed here`)
      } else {
        await sleep(RETRY_MS)
      }
    }
  } finally {
    bar.end()
  }
}
