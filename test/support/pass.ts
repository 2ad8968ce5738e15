import type { Database } from './database.js'

/** As if this many seconds had passed since each session's expiry was moved. */
export async function pass (db: Pick<Database, 'query'>, seconds: number): Promise<void> {
  await db.query('UPDATE session SET expire = expire - $1 * interval \'1 second\'', [seconds])
}

/** As if each session had begun this many seconds earlier. */
export async function sinceSignIn (
  { database }: { database: Pick<Database, 'query'> }, seconds: number
): Promise<void> {
  await database.query(`
    UPDATE session
    SET sess = regexp_replace(sess::text, '"created":\\d+', '"created":' || (
      substring(sess::text FROM '"created":(\\d+)')::bigint - $1 * 1000
    ))::json`, [seconds])
}
