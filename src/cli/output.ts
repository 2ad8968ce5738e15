import type { Terminal } from './terminal.js'

/**
 * Writes what a command found: with `--json` the value, indented, else a text for people.
 *
 * @param text is only made if it is shown. Ends with a line break.
 */
export function output (terminal: Terminal, isJson: boolean, value: unknown, text: () => string): void {
  terminal.stdout.write(isJson ? `${inert(JSON.stringify(value, null, 2))}\n` : text())
}

/** The same JSON without characters that move a terminal's cursor or turn its text: JSON.stringify escapes C0 alone. */
export const inert = (json: string): string =>
  json.replaceAll(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
