import { CommandError } from './failure.js'
import { isInteractive, type Terminal } from './terminal.js'

/**
 * Asks before something is destroyed.
 *
 * @param isYes the operator has said `--yes`.
 * @throws {CommandError} unless the answer is yes, and where there is no terminal to ask on.
 */
export async function confirm (terminal: Terminal, question: string, isYes: boolean): Promise<void> {
  if (isYes) return
  if (!isInteractive(terminal)) {
    throw new CommandError(`${question} There is no terminal to ask on: say so with --yes`)
  }
  terminal.stderr.write(`${question} [y/N] `)
  const answer = await firstLine(terminal)
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError('nothing was changed')
}

/** Empty at the end of the input, and after SIGINT. */
async function firstLine ({ stdin: input, interrupted }: Terminal): Promise<string> {
  const { createInterface } = await import('node:readline')
  const reader = createInterface({ input, terminal: false })
  try {
    return await new Promise((resolve) => {
      const none = () => { resolve('') }
      reader.once('line', resolve).once('close', none)
      interrupted.addEventListener('abort', none)
      if (interrupted.aborted) none()
    })
  } finally {
    reader.close()
  }
}
