/**
 * The variables of the server, as far as a command needs them: a command on the database asks for nothing of Cognito.
 *
 * @module
 */
import { fillFromFiles } from '../secrets/secret-sources.js'
import { connectionStringProblem } from '../sessions/connection-string.js'
import { variables } from '../variables.js'
import { CommandError } from './failure.js'

type Environment = NodeJS.ProcessEnv

/** @throws {CommandError} The value is never shown: it has a password. */
export function databaseUrl (env: Environment): string {
  const { pattern, description } = variables.DATABASE_URL
  const url = secret(env, 'DATABASE_URL')
  if (url === '') throw new CommandError(`DATABASE_URL is missing: it is ${description}`)
  if (!new RegExp(pattern, 'u').test(url)) throw new CommandError(`DATABASE_URL must be ${description}`)
  const reason = connectionStringProblem(url)
  if (reason !== undefined) throw new CommandError(`DATABASE_URL ${reason}`)
  return url
}

/** @throws {CommandError} */
export function sessionSecrets (env: Environment): string[] {
  const { pattern, description } = variables.SESSION_SECRET
  const value = secret(env, 'SESSION_SECRET')
  if (value === '') throw new CommandError(`SESSION_SECRET is missing: it is ${description}`)
  if (!new RegExp(pattern, 'u').test(value)) throw new CommandError(`SESSION_SECRET must be ${description}`)
  return value.split(',')
}

/** The value of a variable, or of the file that its `_FILE` names. @throws {CommandError} */
function secret (given: Environment, name: 'DATABASE_URL' | 'SESSION_SECRET'): string {
  const { env, problems: [problem] } = fillFromFiles(given, [`${name}_FILE`])
  if (problem !== undefined) throw new CommandError(`${problem.name} ${problem.reason}`)
  return env[name] ?? ''
}

/** The lifetimes of a session, in milliseconds. @throws {CommandError} */
export function lifetimes (env: Environment): { idleMs: number, absoluteMs: number } {
  return { idleMs: seconds(env, 'SESSION_TTL') * 1000, absoluteMs: seconds(env, 'SESSION_ABSOLUTE_TTL') * 1000 }
}

function seconds (env: Environment, name: 'SESSION_TTL' | 'SESSION_ABSOLUTE_TTL'): number {
  const { default: fallback, minimum, maximum, description } = variables[name]
  const text = env[name] ?? ''
  const value = text === '' ? fallback : Number(text)
  const isWellFormed = /^\d*$/.test(text) && value >= minimum && value <= maximum
  if (!isWellFormed) throw new CommandError(`${name} must be ${description}`)
  return value
}
