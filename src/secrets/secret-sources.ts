import type { Problem } from '../variables.js'
import { readSecretSync, SecretFileError } from './secret-file.js'

/** What the name of a variable ends with that names a file. */
const FILE = '_FILE'

/** No path holds these, and a message that quotes it would have lines of its own. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u

/** A file, and what it holds. */
export interface SecretFile { path: string, text: string }

/** An environment with the values of files in place of their names. */
export interface Filled {
  env: NodeJS.ProcessEnv
  /** By the variable whose value they hold. */
  files: ReadonlyMap<string, SecretFile>
  problems: Problem[]
}

/**
 * Reads the files that variables name.
 *
 * @param names of all variables.
 */
export function fillFromFiles (env: NodeJS.ProcessEnv, names: readonly string[]): Filled {
  const filled: NodeJS.ProcessEnv = { ...env }
  const files = new Map<string, SecretFile>()
  const problems: Problem[] = []
  for (const name of names.filter((known) => known.endsWith(FILE) && (env[known] ?? '') !== '')) {
    const variable = name.slice(0, -FILE.length)
    const path = env[name] ?? ''
    try {
      if (UNPRINTABLE.test(path)) throw new SecretFileError(`must be the path of a file that holds ${variable}`)
      if ((env[variable] ?? '') !== '') throw new SecretFileError(`and ${variable} are both set: set one of them`)
      const text = readSecretSync(path)
      files.set(variable, { path, text })
      filled[variable] = text
    } catch (error) {
      if (!(error instanceof SecretFileError)) throw error
      problems.push({ name, reason: error.message })
    }
  }
  return { env: filled, files, problems }
}
