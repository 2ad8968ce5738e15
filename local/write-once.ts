import { randomBytes } from 'node:crypto'
import { link, rm, writeFile } from 'node:fs/promises'

/**
 * Creates a file that its owner alone may read, and leaves an existing one alone.
 *
 * `link` creates the file with its whole content or not at all. Of several processes that write it at the
 * same time, one succeeds, and the others find its file.
 */
export async function writeOnce (file: string, content: string): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, content, { mode: 0o600 })
  try {
    await link(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft)
  }
}
