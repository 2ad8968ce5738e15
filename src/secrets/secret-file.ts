/**
 * Files that hold one secret, as Docker and Kubernetes mount them.
 *
 * @module
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'

const MAX_BYTES = 64 * 1024

/** Without it, opening a named pipe would wait for its writer. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK

/** Why a file cannot be used, to follow the name of the variable. It never quotes what the file holds. */
export class SecretFileError extends Error {}

/** What the file holds, without the line break at its end. @throws {SecretFileError} */
export function readSecretSync (path: string): string {
  try {
    const file = openSync(path, FLAGS)
    try {
      check(path, fstatSync(file))
      return secretIn(path, readFileSync(file))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw explained(path, error)
  }
}

/** As {@link readSecretSync}. @throws {SecretFileError} */
export async function readSecret (path: string): Promise<string> {
  try {
    const file = await open(path, FLAGS)
    try {
      check(path, await file.stat())
      return secretIn(path, await file.readFile())
    } finally {
      await file.close()
    }
  } catch (error) {
    throw explained(path, error)
  }
}

/** @throws {SecretFileError} */
function check (path: string, stats: Stats): void {
  if (!stats.isFile()) throw new SecretFileError(`names ${path}, which is not a file`)
  if (stats.size > MAX_BYTES) throw new SecretFileError(`names ${path}, which is longer than ${MAX_BYTES} bytes`)
}

/** @throws {SecretFileError} */
function secretIn (path: string, bytes: Buffer): string {
  // The file may have grown since it was looked at.
  if (bytes.length > MAX_BYTES) throw new SecretFileError(`names ${path}, which is longer than ${MAX_BYTES} bytes`)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/[\r\n]+$/, '')
  } catch {
    throw new SecretFileError(`names ${path}, which is not text in UTF-8`)
  }
  if (text.trim() === '') throw new SecretFileError(`names ${path}, which is empty`)
  if (/[\r\n\0]/.test(text)) throw new SecretFileError(`names ${path}, which has more than one line`)
  return text
}

function explained (path: string, error: unknown): SecretFileError {
  if (error instanceof SecretFileError) return error
  const { code = 'error' } = error as NodeJS.ErrnoException
  return new SecretFileError(`names ${path}, which cannot be read (${code})`)
}
