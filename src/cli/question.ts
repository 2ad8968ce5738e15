import { CommandError } from './failure.js'
import { isInteractive, type Terminal } from './terminal.js'

/**
 * Asks before something is destroyed.
 *
 * @param isYes the operator has said `--yes`.
 * @throws {CommandError} unless the answer is yes, and where there is no one to ask.
 */
export async function confirm (terminal: Terminal, question: string, isYes: boolean): Promise<void> {
  if (isYes) return
  if (!isInteractive(terminal)) {
    throw new CommandError(`${question} There is no terminal to ask on: say so with --yes`)
  }
  const { createInterface } = await import('node:readline/promises')
  const { stdin: input, stderr, interrupted: signal } = terminal
  const reader = createInterface({ input, output: stderr, terminal: false })
  // The end of the input is no answer.
  const ended = new Promise<string>((resolve) => { reader.once('close', () => { resolve('') }) })
  try {
    const answer = await Promise.race([reader.question(`${question} [y/N] `, { signal }).catch(() => ''), ended])
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError('nothing was changed')
  } finally {
    reader.close()
  }
}
