import type { Database } from './database.js'

/** As if this many seconds had passed since each session's expiry was moved. */
export async function pass (db: Pick<Database, 'query'>, seconds: number): Promise<void> {
  await db.query('UPDATE session SET expire = expire - $1 * interval \'1 second\'', [seconds])
}
