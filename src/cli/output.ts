import type { Terminal } from './terminal.js'

/**
 * Writes what a command found: with `--json` the value, indented, else a text for people.
 *
 * @param text is only made if it is shown. Ends with a line break.
 */
export function output (terminal: Terminal, isJson: boolean, value: unknown, text: () => string): void {
  terminal.stdout.write(isJson ? `${JSON.stringify(value, null, 2)}\n` : text())
}
