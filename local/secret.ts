import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeOnce } from './write-once.js'

/** The session secret of this checkout. It is kept, so that sessions survive a restart. */
export async function sessionSecret (dataDir: string): Promise<string> {
  const file = join(dataDir, 'session-secret')
  await writeOnce(file, randomBytes(32).toString('base64url'))
  return (await readFile(file, 'utf8')).trim()
}
