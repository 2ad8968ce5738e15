import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The session secret of this checkout: made once, so that a restart signs nobody out. */
export async function sessionSecret (dataDir: string): Promise<string> {
  const file = join(dataDir, 'session-secret')
  const draft = `${file}.${process.pid}`
  // Of processes that start together, one's secret becomes the file, whole, and all read it.
  await writeFile(draft, randomBytes(32).toString('base64url'), { mode: 0o600 })
  await link(draft, file).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error })
  await rm(draft)
  return (await readFile(file, 'utf8')).trim()
}
