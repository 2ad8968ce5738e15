import { shown } from './terminal.js'

/** A column: its heading, and whether its cells are numbers, which end at its right edge. */
export interface Column { heading: string, isNumber?: boolean }

const GAP = '  '
const graphemes = new Intl.Segmenter()

/** Characters that take two cells of a terminal: East Asian wide ones, and emoji (UAX #11). */
const WIDE = new RegExp([
  '[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]',
  '\\p{Emoji_Presentation}'
].join('|'), 'u')

/** How many cells of a terminal a text takes. */
export function widthOf (text: string): number {
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += WIDE.test(segment) ? 2 : 1
  return width
}

/** Rows under headings, in columns as wide as their longest cell. Ends with a line break. */
export function table (columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ heading }) => heading), ...rows.map((row) => row.map(shown))]
  const widths = columns.map((_column, index) => Math.max(...cells.map((row) => widthOf(row[index] ?? ''))))
  const lines = cells.map((row) => columns
    .map(({ isNumber = false }, index) => padded(row[index] ?? '', widths[index] ?? 0, isNumber))
    .join(GAP)
    .trimEnd())
  return `${lines.join('\n')}\n`
}

/** Names and values, a pair a line. */
export const pairs = (given: readonly (readonly [name: string, value: string])[]): string => {
  const entries = given.map(([name, value]) => [shown(name), shown(value)] as const)
  const width = Math.max(...entries.map(([name]) => widthOf(name)))
  return entries.map(([name, value]) => `${padded(name, width, false)}${GAP}${value}`.trimEnd() + '\n').join('')
}

function padded (text: string, width: number, isNumber: boolean): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return isNumber ? space + text : text + space
}
