import type { Readable, Writable } from 'node:stream'

type Output = Writable & { isTTY?: boolean, columns?: number }

/** What a command reads from and writes to. */
export interface Terminal {
  stdin: Readable & { isTTY?: boolean }
  stdout: Output
  stderr: Output
  env: NodeJS.ProcessEnv
  /** Aborted by SIGINT and SIGTERM: a command stops after its present batch. */
  interrupted: AbortSignal
}

/** Whether a person can answer a question. */
export const isInteractive = ({ stdin, stderr }: Terminal): boolean => stdin.isTTY === true && stderr.isTTY === true

/** Whether the terminal of this output moves its cursor. */
export const isCapable = (output: Output, { TERM }: NodeJS.ProcessEnv): boolean =>
  output.isTTY === true && TERM !== 'dumb'

const COLOURS = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const
export type Colour = keyof typeof COLOURS

/**
 * Text in a colour, where stdout shows colours.
 *
 * @see {@link https://no-color.org}
 */
export function coloured ({ stdout, env }: Terminal, colour: Colour, text: string): string {
  const hasColours = isCapable(stdout, env) && (env.NO_COLOR ?? '') === ''
  return hasColours ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text
}

/** Control characters, with which stored text could move the cursor, those that change its direction, surrogates. */
const CONTROL = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu

/** Stored text, safe to show. */
export const shown = (text: string): string => text.replaceAll(CONTROL, '\ufffd')
