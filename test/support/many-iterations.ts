import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import type { Database } from './database.js'

/** The URL of `db` for a role whose password has 200,000 iterations; undefined before PostgreSQL 16. */
export async function manyIterations (t: Test, db: Database): Promise<string | undefined> {
  const [row] = await db.query('SELECT current_setting(\'server_version_num\')::int >= 160000 AS supported')
  if (row?.['supported'] !== true) return undefined
  const role = `role_${randomBytes(6).toString('hex')}`
  await db.query(`
    SET scram_iterations = 200000;
    CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD 'hidden';
    RESET scram_iterations`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  return Object.assign(new URL(db.directUrl), { username: role, password: 'hidden' }).href
}
