import { CommanderError } from 'commander'
import { lineOf } from './failure.js'
import { GROUPS, program } from './program.js'
import type { Terminal } from './terminal.js'

/**
 * Runs the command that `args` name.
 *
 * @param args without the program's name.
 * @returns the exit code: 0, or 1 after one line on stderr.
 */
export async function main (args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await program(terminal).parseAsync(withIdLast(withHelp(args)), { from: 'user' })
    return 0
  } catch (error) {
    // Help and the version end with this error and the code 0. A wrong argument has been told.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1
    terminal.stderr.write(`error: ${lineOf(error)}\n`)
    return 1
  }
}

/** Without a command, the help is what is asked for. */
function withHelp (args: readonly string[]): readonly string[] {
  const isGroup = args.length === 1 && GROUPS.includes(args[0] ?? '')
  return args.length === 0 || isGroup ? [...args, '--help'] : args
}

/** One in 64 public ids begins with a hyphen, as an option does. */
const ID_LIKE_OPTION = /^-[\w-]{21}$/

function withIdLast (args: readonly string[]): string[] {
  const index = args.findIndex((arg, at) =>
    ID_LIKE_OPTION.test(arg) && !['--user', '--email'].includes(args[at - 1] ?? ''))
  const id = args[index]
  if (id === undefined || args[0] !== 'sessions' || args.includes('--')) return [...args]
  return [...args.filter((_arg, at) => at !== index), '--', id]
}
