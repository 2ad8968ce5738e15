/** Numbers and tables as text. @module */

const PROSE_COLUMNS = 100

/** With the digits that are significant in a measurement. */
export function number (value: number): string {
  if (Number.isNaN(value)) return '–'
  if (value === 0) return '0'
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  return value.toFixed(value >= 0.1 ? 2 : 4)
}

/** The smallest and the largest of some values. */
export function range ([least, greatest]: [number, number]): string {
  return Number.isNaN(least) ? '–' : `${number(least)}–${number(greatest)}`
}

/** A table for the terminal. The first column is aligned to the left, the others to the right. */
export function textTable (head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[]) => {
    const padded = cells.map((cell, column) => {
      const width = widths[column] ?? 0
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return padded.join('  ').trimEnd()
  }
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return [line(head), rule, ...rows.map(line)].join('\n')
}

/** The same table in Markdown. */
export function markdownTable (head: string[], rows: string[][]): string {
  const rule = head.map((_, column) => column === 0 ? '---' : '--:')
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** Prose in lines of at most 100 columns, where words allow it. */
export function wrapped (text: string): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`.trimStart()
    if (longer.length <= PROSE_COLUMNS) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines.join('\n')
}
